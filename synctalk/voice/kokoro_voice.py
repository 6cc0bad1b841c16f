"""A trained transformer voice that speaks.

Whatever it needs is in its checkpoint: weights, widths, phones, the words it has heard and the sampling rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from synctalk.errors import InputError, TrainingError
from synctalk.training.checkpoint import load_checkpoint
from synctalk.voice.aligned import AlignedCorpus
from synctalk.voice.corpus import Corpus
from synctalk.voice.espeak import recalled_phonemes
from synctalk.voice.kokoro import KokoroModel, Text
from synctalk.voice.kokoro_recipe import MODEL
from synctalk.voice.lexicon import Lexicon
from synctalk.voice.phones import PUNCTUATION, SILENCE, TokenSet
from synctalk.voice.units import Units, sound_of, utter_text
from synctalk.voice.vocoder import GriffinLim, Samples, Vocoder
from synctalk.voice_settings import KokoroSettings

FACTS = "kokoro_voice"
"""Where a checkpoint's settings keep what this page needs."""

MOST_FRAMES = 400
"""Of one token: 4.6 s; longer ones are a mistake of the model."""
SLOWEST, FASTEST = 0.25, 4.0

_MAY_BE_MUTE = frozenset({*PUNCTUATION, SILENCE})


class VoiceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a voice is, apart from its weights.

    Attributes:
        rate_hz: Samples per second.
        extra_phones: As in `TokenSet`.
        lexicon: Phones of each word, separated by spaces.
        units: What words consist of.
        espeak: The voice of espeak that reads texts, when that is phonemes.
    """

    rate_hz: int
    extra_phones: tuple[str, ...]
    lexicon: dict[str, str]
    units: Units = "phones"
    espeak: str = ""

    @classmethod
    def of(cls, corpus: Corpus, aligned: AlignedCorpus) -> VoiceFacts:
        """The facts of a voice that is being trained."""
        words = {word: " ".join(phones) for word, phones in aligned.lexicon.words.items()}
        return cls(
            rate_hz=corpus.rate_hz,
            extra_phones=aligned.tokens.extra,
            lexicon=words,
            units=aligned.units,
            espeak=corpus.espeak,
        )


@dataclass(frozen=True)
class Speech:
    """What a voice said.

    Attributes:
        samples: In [-1, 1].
        mel: Log-mel spectrogram `[80, T]`.
        frames: Of each token.
        end_probability: What the stop head thinks of the last frame.
    """

    samples: Samples
    mel: Tensor
    frames: tuple[int, ...]
    end_probability: float


class KokoroVoice:
    """Speaks texts or tokens.

    Args:
        model: Trained.
        facts: What belongs to it.
        vocoder: Griffin-Lim when None.
    """

    def __init__(self, model: KokoroModel, facts: VoiceFacts, *, vocoder: Vocoder | None = None) -> None:
        self._model = model
        self._facts = facts
        self._tokens = TokenSet(facts.extra_phones)
        self._lexicon = Lexicon({word: tuple(phones.split()) for word, phones in facts.lexicon.items()})
        self.rate_hz = facts.rate_hz
        self.vocoder = vocoder or GriffinLim(facts.rate_hz)

    def speak(self, text: str, *, pace: float = 1.0) -> Speech:
        """Read a text aloud.

        Args:
            text: Words it never heard are spelled; numbers have to be written out.
            pace: 2 is twice as fast; 0.25 to 4.

        Raises:
            InputError: There is no word in the text, one that cannot be spelled, or the pace is out of range.
        """
        return self.speak_tokens(self._read(text), pace=pace)

    def read_ahead(self, texts: Sequence[str]) -> None:
        """Ask espeak once for all of them, where the voice reads phonemes; see `Phonemes.read_ahead`.

        Raises:
            MissingPartError, InputError, StageError: As `recalled_phonemes`.
        """
        if self._facts.units == "phonemes":
            recalled_phonemes(texts, self._facts.espeak)

    def _read(self, text: str) -> list[str]:
        """The tokens of a text."""
        if self._facts.units == "phones":
            return self._lexicon.tokens(text)
        said = utter_text(text, self._facts.units, espeak=self._facts.espeak).tokens()
        return [self._known(unit) for unit in said]

    def _known(self, unit: str) -> str:
        """A unit that was learned: this one, or the same without its stress or tone."""
        for known in (unit, sound_of(unit)):
            if known in self._tokens.ids:
                return known
        raise InputError(f"the voice never heard {unit!r}", hint="say it with other words, or record some with it")

    def speak_tokens(self, tokens: Sequence[str], *, pace: float = 1.0, most_frames: int | None = None) -> Speech:
        """Say phones, silences and punctuation, in evaluation mode whatever mode the model was in.

        Args:
            tokens: At least one.
            pace: As in `speak`.
            most_frames: What is longer is cut after the token that goes beyond it; None for all.

        Raises:
            InputError: There is nothing to say, or the pace is out of range.
        """
        if not SLOWEST <= pace <= FASTEST:
            raise InputError(f"the pace {pace:g} is out of range", hint=f"choose {SLOWEST:g} to {FASTEST:g}")
        if not tokens:
            raise InputError("there is nothing to say", hint="give at least one phone")
        training = self._model.training
        self._model.train(mode=False)
        try:
            return self._speak(tokens, pace, most_frames)
        finally:
            self._model.train(mode=training)

    @torch.no_grad()
    def _speak(self, tokens: Sequence[str], pace: float, most_frames: int | None) -> Speech:
        device = self._model.embedding.weight.device
        text = self._model.encode(torch.tensor([self._tokens.encode(tokens)], device=device))
        frames = self._frames(text, tokens, pace)
        if most_frames is not None:
            # What comes later keeps its place in the sentence and is not spoken.
            frames[:, 1:][frames.cumsum(dim=1)[:, :-1] >= most_frames] = 0
        spoken = self._model.generate(text, frames)
        mel = spoken.refined[0]
        end_probability = float(spoken.stop[0, -1].sigmoid())
        return Speech(self.vocoder(mel), mel, tuple(frames[0].tolist()), end_probability)

    def _frames(self, text: Text, tokens: Sequence[str], pace: float) -> Tensor:
        """Whole frames of each token; a phone is always heard: `[1, N]`."""
        least = torch.tensor([[0 if token in _MAY_BE_MUTE else 1 for token in tokens]], device=text.log_frames.device)
        predicted = (text.log_frames.float().clamp_max(20).expm1() / pace).round().long()
        frames = predicted.clamp(max=MOST_FRAMES).maximum(least)
        if not frames.any():
            frames[:, 0] = 1
        return frames


def load_kokoro(path: Path, *, make_vocoder: Callable[[int], Vocoder] = GriffinLim, device: str = "cpu") -> KokoroVoice:
    """The voice in a checkpoint, with averaged weights where there are some.

    Args:
        path: For example `checkpoint/NAME/kokoro/best.pth`.
        make_vocoder: Given the samples per second of the voice, makes what makes it audible.
        device: Where it speaks.

    Raises:
        InputError: It is another kind of checkpoint.
        TrainingError: It is damaged.
    """
    checkpoint = load_checkpoint(path)
    settings, weights = checkpoint.facts.settings, checkpoint.averaged_models.get(MODEL)
    if weights is None or FACTS not in settings:
        raise InputError(f"{path} holds no transformer voice", hint="name checkpoint/NAME/kokoro/best.pth")
    try:
        facts = msgspec.convert(settings[FACTS], VoiceFacts)
        model = _model_of(settings, weights, facts)
    except (msgspec.ValidationError, KeyError, RuntimeError) as error:
        raise TrainingError(
            f"the voice in {path} does not fit this program: {error}",
            hint="train it again: synctalk run NAME --line kokoro --force kokoro",
        ) from error
    return KokoroVoice(model.to(device), facts, vocoder=make_vocoder(facts.rate_hz))


def _model_of(settings: Mapping[str, Any], weights: Mapping[str, Tensor], facts: VoiceFacts) -> KokoroModel:
    model = KokoroModel(len(TokenSet(facts.extra_phones)), msgspec.convert(settings["kokoro"], KokoroSettings))
    model.load_state_dict(weights)
    return model.train(mode=False)
