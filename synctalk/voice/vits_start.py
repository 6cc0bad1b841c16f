"""What the training of a VITS voice begins with: random weights, or a finished voice in the Hugging Face layout.

A finished voice keeps its width and its spelling. Its speakers stay, those of the recordings come first: who has the
name of one of them goes on from that one, who is new begins as the mean of all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import VitsConfig, VitsModel

from synctalk.errors import InputError, TrainingError
from synctalk.log import get_logger
from synctalk.voice.alphabet import SYMBOLS
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.discriminator import Discriminator
from synctalk.voice.hf_folder import read_hf_folder
from synctalk.voice.hub import DISCRIMINATOR, voice_folder
from synctalk.voice.mel import FREQUENCIES, HOP
from synctalk.voice.spelling import Spelling, unsayable
from synctalk.voice.stft_discriminator import stft_discriminators
from synctalk.voice.vits import WIDTHS, build_vits, make_trainable, vits_config
from synctalk.voice.voicemodel import VoiceFacts, load_vits
from synctalk.voice_settings import VitsSettings

_RATES_HZ = (16_000, 22_050)  # that recordings can be prepared at
_FURTHER = "further."
_SPEAKERS = "embed_speaker.weight"
_NAMES_OF_SPEAKERS = ("id2label", "label2id")
_MOST_NAMED = 10
_WITHOUT = "or start from random weights: --set vits.initial="
_log = get_logger(__name__)


@dataclass(frozen=True)
class Start:
    """What a training begins with.

    Attributes:
        facts: Of the voice to be.
        build: Makes both networks, ready to be trained; what is random in them comes from torch's global generator.
    """

    facts: VoiceFacts
    build: Callable[[], tuple[VitsModel, Discriminator]]


def start_vits(settings: VitsSettings, corpus: Corpus) -> Start:
    """The networks that the settings ask for, fit for the recordings.

    Raises:
        InputError: The voice that `vits.initial` names cannot be read, or does not fit the recordings; says why.
    """
    if not settings.initial:
        return _from_nothing(settings, corpus)
    folder = voice_folder(settings.initial)
    if folder != Path(settings.initial):
        _log.info("it starts from %s, revision %s", settings.initial, folder.name)
    return _go_on(folder, settings, corpus)


def leave_out_unspellable(corpus: Corpus, spelling: Spelling) -> Corpus:
    """The corpus without the clips in which something is said that a voice cannot spell, each named in a warning.

    Punctuation without an id is no reason: the clip stays, and the sign is not spelled.

    Raises:
        InputError: No clip to learn from is left.
    """
    if corpus.espeak:  # every phoneme has an id
        return corpus
    unknown = {clip: unsayable(clip.text, spelling) for clip in corpus.clips}
    left_out = [clip for clip in corpus.clips if unknown[clip]]
    if not left_out:
        return corpus
    told = _told(left_out, unknown)
    kept = tuple(clip for clip in corpus.clips if not unknown[clip])
    if all(clip.is_held_out for clip in kept):
        raise InputError(
            f"the voice that vits.initial names can spell no clip: {told}",
            hint=f"start from a voice of this language, {_WITHOUT}",
        )
    _log.warning("the voice that vits.initial names cannot spell everything: %s", told)
    return msgspec.structs.replace(corpus, clips=kept)


def _told(left_out: list[Clip], unknown: Mapping[Clip, list[str]]) -> str:
    """For people: how many clips, for which signs, and which clips."""
    counts = Counter(sign for clip in left_out for sign in unknown[clip])
    signs = ", ".join(f"{sign} in {count}" for sign, count in counts.most_common(_MOST_NAMED))
    names = ", ".join(clip.name for clip in left_out[:_MOST_NAMED])
    more = f" and {len(left_out) - _MOST_NAMED} more" if len(left_out) > _MOST_NAMED else ""
    return f"{len(left_out)} left out (its vocabulary lacks {signs}): {names}{more}"


def _from_nothing(settings: VitsSettings, corpus: Corpus) -> Start:
    config = vits_config(settings.size, rate_hz=corpus.rate_hz, speakers=len(corpus.speakers))
    facts = VoiceFacts(
        rate_hz=corpus.rate_hz,
        language=corpus.language,
        extra_signs=corpus.extra_signs,
        speakers=corpus.speakers,
        config=config.to_dict(),
        espeak=corpus.espeak,
        phonemes=corpus.phonemes,
    )
    return Start(facts, lambda: (build_vits(config), build_discriminator(settings)))


def build_discriminator(settings: VitsSettings) -> Discriminator:
    """The discriminator that the settings ask for, with random weights."""
    narrowing = WIDTHS[settings.size].narrowing
    further = stft_discriminators(narrowing) if settings.discriminator == "wave+stft" else []
    return Discriminator(narrowing, further=further)


def _go_on(folder: Path, settings: VitsSettings, corpus: Corpus) -> Start:
    voice, state, _ = read_hf_folder(folder)
    _check_sound(folder, voice, corpus)
    facts, state = _with_speakers(folder, _with_signs(voice, corpus), state, corpus)
    judge = _read_discriminator(folder)

    def build() -> tuple[VitsModel, Discriminator]:
        try:
            model = make_trainable(load_vits(facts, state))
        except TrainingError as error:
            raise InputError(f"{folder}: {error.message}", hint="give the folder of another voice") from error
        return model, _go_on_judging(settings, judge, folder)

    return Start(facts, build)


def _check_sound(folder: Path, voice: VoiceFacts, corpus: Corpus) -> None:
    """Refuse a voice whose samples, frames or script are not those of the recordings."""
    if bool(corpus.espeak) != bool(voice.espeak):
        reads, prepared = ("phonemes", "letters") if voice.espeak else ("letters", "phonemes")
        setting = "phonemes" if voice.espeak else "characters"
        raise InputError(
            f"the voice in {folder} reads {reads}, the recordings are prepared as {prepared}",
            hint=f"prepare them as {reads}: --set prepare.text={setting}, {_WITHOUT}",
        )
    if voice.rate_hz != corpus.rate_hz:
        again = f"prepare the recordings for it: --set prepare.rate_hz={voice.rate_hz}"
        hint = again if voice.rate_hz in _RATES_HZ else "start from a voice with 16000 or 22050 samples per second"
        raise InputError(
            f"the voice in {folder} has {voice.rate_hz} samples per second, the recordings are prepared with "
            f"{corpus.rate_hz}",
            hint=f"{hint}, {_WITHOUT}",
        )
    bins = voice.config.get("spectrogram_bins", FREQUENCIES)
    if (voice.hop, bins) != (HOP, FREQUENCIES):
        raise InputError(
            f"the voice in {folder} has {voice.hop} samples per frame and {bins} frequencies; trained here are voices "
            f"with {HOP} and {FREQUENCIES}",
            hint=f"start from another voice, {_WITHOUT}",
        )


def _with_signs(voice: VoiceFacts, corpus: Corpus) -> VoiceFacts:
    """The facts with the letters, or phonemes, of the recordings, where the voice has ids to spare for them."""
    if voice.vocabulary or voice.config.get("vocab_size") != SYMBOLS:
        return voice
    new = [sign for sign in corpus.extra_signs if sign not in voice.extra_signs]
    phonemes = tuple(sorted({*voice.phonemes, *corpus.phonemes}))
    return msgspec.structs.replace(
        voice, extra_signs=(*voice.extra_signs, *new), espeak=corpus.espeak, phonemes=phonemes
    )


def _with_speakers(
    folder: Path, voice: VoiceFacts, state: dict[str, Tensor], corpus: Corpus
) -> tuple[VoiceFacts, dict[str, Tensor]]:
    """Facts and weights with the speakers of the recordings first, then the others that the voice has."""
    config: dict[str, Any] = {key: value for key, value in voice.config.items() if key not in _NAMES_OF_SPEAKERS}
    speakers = corpus.speakers
    if len(voice.speakers) > 1:
        speakers = (*corpus.speakers, *(who for who in voice.speakers if who not in corpus.speakers))
        rows = dict(zip(voice.speakers, _speaker_rows(folder, state, len(voice.speakers)), strict=True))
        mean = torch.stack(list(rows.values())).mean(dim=0)
        state = {**state, _SPEAKERS: torch.stack([rows.get(who, mean) for who in speakers])}
        config["num_speakers"] = len(speakers)
    elif len(corpus.speakers) > 1:
        raise InputError(
            f"the recordings have {len(corpus.speakers)} speakers, the voice in {folder} can only be one",
            hint=f"give a dataset of one speaker, start from a voice of several, {_WITHOUT}",
        )
    plain = VitsConfig(**config).to_dict()
    return msgspec.structs.replace(voice, language=corpus.language, speakers=speakers, config=plain), state


def _speaker_rows(folder: Path, state: Mapping[str, Tensor], count: int) -> Tensor:
    rows = state.get(_SPEAKERS)
    if rows is None or len(rows) != count:
        raise InputError(
            f"the weights in {folder} lack the {count} speakers that its config.json tells of",
            hint="download or export the voice again",
        )
    return rows


def _read_discriminator(folder: Path) -> dict[str, Tensor] | None:
    """The weights of the discriminator beside a voice; None without any."""
    path = folder / DISCRIMINATOR
    if not path.is_file():
        return None
    try:
        return safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="remove it to start with a fresh one") from error


def _go_on_judging(settings: VitsSettings, state: Mapping[str, Tensor] | None, folder: Path) -> Discriminator:
    """The discriminator with given weights; one that looks at spectrograms may be new."""
    discriminator = build_discriminator(settings)
    fresh = {name: value for name, value in discriminator.state_dict().items() if name.startswith(_FURTHER)}
    try:
        if state is not None:
            discriminator.load_state_dict({**fresh, **state})
    except RuntimeError as error:
        raise InputError(
            f"{folder / DISCRIMINATOR} is not the discriminator of a voice of size {settings.size} with "
            f"vits.discriminator={settings.discriminator}",
            hint="try --set vits.size=high, or remove the file to start with a fresh one",
        ) from error
    return discriminator
