"""A voice that reads any text, sentence by sentence.

It does not know where its network comes from: a checkpoint (`TorchNetwork`) or an exported file (`onnx_voice`).
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from transformers import VitsModel

from synctalk.errors import InputError, StageError
from synctalk.log import get_logger
from synctalk.media.audio import Samples
from synctalk.voice.reader import OWN_DELIVERY, Delivery
from synctalk.voice.sentences import PAUSE_S, split_sentences
from synctalk.voice.spelling import Spelling
from synctalk.voice.voicemodel import VoiceFacts

SPEEDS, NOISES = (0.25, 4.0), (0.0, 2.0)

_log = get_logger(__name__)


@dataclass(frozen=True)
class Manner:
    """How something is said.

    Attributes:
        speed: 2 is twice as fast; see `SPEEDS`.
        noise: How much the sound varies; see `NOISES`.
        duration_noise: How much the rhythm varies; see `NOISES`.
    """

    speed: float = 1.0
    noise: float = 0.667
    duration_noise: float = 0.8


Utterance = Callable[[Sequence[int], int, Manner], Samples]
"""Ids of one sentence, number of the speaker and manner -> samples."""


class Network(Protocol):
    """What turns ids into sound."""

    def start(self, seed: int | None) -> Utterance:
        """A reading that draws its noise from a seed, then the same calls give the same samples; else from anywhere."""
        ...


class TorchNetwork:
    """A `VitsModel` on the CPU.

    Args:
        model: In evaluation mode; nobody else may use it meanwhile.
    """

    def __init__(self, model: VitsModel) -> None:
        self._model = model

    def start(self, seed: int | None) -> Utterance:
        """See `Network`; the global generator of torch stays as it is."""
        generator = torch.Generator().manual_seed(secrets.randbits(31) if seed is None else seed).get_state()

        def utter(ids: Sequence[int], speaker: int, manner: Manner) -> Samples:
            nonlocal generator
            with torch.random.fork_rng(devices=[]), torch.inference_mode():
                torch.set_rng_state(generator)
                samples = self._run(ids, speaker, manner)
                generator = torch.get_rng_state()
            return samples

        return utter

    def _run(self, ids: Sequence[int], speaker: int, manner: Manner) -> Samples:
        who = speaker if self._model.config.num_speakers > 1 else None
        try:
            with _speaking_with(self._model, manner):
                said = self._model(torch.tensor([ids]), speaker_id=who, speaking_rate=manner.speed)
        except (RuntimeError, ValueError) as error:  # numbers no layer can take, or a length no memory can hold
            raise StageError(f"the voice failed: {error}", hint="use another checkpoint") from error
        samples: Samples = said.waveform[0].float().numpy()  # [T]
        return samples


@contextmanager
def _speaking_with(model: VitsModel, manner: Manner) -> Iterator[None]:
    """Lend a network a manner: it reads the noise from its attributes, which also say what is its own."""
    own = model.noise_scale, model.noise_scale_duration
    model.noise_scale, model.noise_scale_duration = manner.noise, manner.duration_noise
    try:
        yield
    finally:
        model.noise_scale, model.noise_scale_duration = own


class Voice:
    """A voice that can be asked to speak.

    Args:
        network: Makes the sound.
        spelling: From text to ids.
        rate_hz: Samples per second of the sound.
        speakers: Their names; the first one speaks when none is named.
        manner: How it speaks unless told otherwise.
    """

    def __init__(
        self,
        network: Network,
        *,
        spelling: Spelling,
        rate_hz: int,
        speakers: Sequence[str] = ("speaker",),
        manner: Manner = Manner(),
    ) -> None:
        self.rate_hz = rate_hz
        self.speakers = tuple(speakers)
        self._network, self._spelling, self._manner = network, spelling, manner

    @classmethod
    def of_model(cls, facts: VoiceFacts, model: VitsModel) -> Voice:
        """The voice of a network and its facts."""
        manner = Manner(noise=model.noise_scale, duration_noise=model.noise_scale_duration)
        return cls(
            TorchNetwork(model),
            spelling=facts.spelling,
            rate_hz=facts.rate_hz,
            speakers=facts.speakers,
            manner=manner,
        )

    def speak(self, text: str, delivery: Delivery = OWN_DELIVERY) -> Iterator[Samples]:
        """Read a text.

        Args:
            text: Anything; signs that the voice does not know are left out and named in one warning.
            delivery: How.

        Returns:
            The samples of each sentence, float32 in [-1, 1], all but the first with a short silence before them.

        Raises:
            InputError: Nothing to say, no such speaker, or a number out of its range.
            StageError: The network made numbers that are not finite, or failed.
        """
        own = self._manner
        manner = Manner(
            speed=_checked("speed", delivery.speed, own.speed, SPEEDS),
            noise=_checked("noise", delivery.noise, own.noise, NOISES),
            duration_noise=_checked("duration noise", delivery.duration_noise, own.duration_noise, NOISES),
        )
        number, sentences, seed = self._find_speaker(delivery.speaker), self._spell(text), delivery.seed
        if seed is not None and not 0 <= seed < 2**31:
            raise InputError(f"the seed is {seed}", hint=f"give a whole number from 0 to {2**31 - 1}: --seed 1")
        utter = self._network.start(seed)
        return self._utter_all(utter, sentences, number, manner)

    def _utter_all(
        self, utter: Utterance, sentences: list[list[int]], speaker: int, manner: Manner
    ) -> Iterator[Samples]:
        pause = np.zeros(round(PAUSE_S * self.rate_hz), np.float32)
        for index, ids in enumerate(sentences):
            samples = utter(ids, speaker, manner)
            if not np.isfinite(samples).all():
                raise StageError("the voice made numbers that are not finite", hint="use another checkpoint")
            clipped: Samples = np.clip(samples, -1.0, 1.0)
            yield np.concatenate([pause, clipped]) if index else clipped

    def _spell(self, text: str) -> list[list[int]]:
        """The ids of each sentence that has something to say."""
        if not text.strip():
            raise InputError("there is nothing to say", hint="give a text: --text 'Hello there.' or --file text.txt")
        sentences = [sentence for sentence in split_sentences(text) if _is_speech(sentence)]
        self._spelling.read_ahead([text, *sentences])
        unknown = self._spelling.unknown(text)
        nothing = len(self._spelling.encode(""))
        spelled = [ids for ids in map(self._spelling.encode, sentences) if len(ids) > nothing]
        if not spelled:
            raise InputError(
                "the text holds nothing that this voice can say",
                hint="write it in the script of the voice's language; numbers and signs as words",
            )
        if unknown:
            _log.warning("left out, because the voice does not know them: %s", " ".join(map(_shown, unknown)))
        return spelled

    def _find_speaker(self, speaker: str) -> int:
        if not speaker:
            return 0
        if speaker in self.speakers:
            return self.speakers.index(speaker)
        if speaker.isdecimal() and int(speaker) < len(self.speakers):
            return int(speaker)
        raise InputError(
            f"the voice has no speaker {speaker!r}",
            hint=f"use one of: {', '.join(self.speakers)}, or a number from 0 to {len(self.speakers) - 1}",
        )


def _is_speech(sentence: str) -> bool:
    return any(sign.isalnum() for sign in sentence)


def _shown(sign: str) -> str:
    return sign if sign.isprintable() and sign.isascii() else f"{sign} (U+{ord(sign[0]):04X})"


def _checked(name: str, asked: float | None, own: float, limits: tuple[float, float]) -> float:
    value = own if asked is None else asked
    if not math.isfinite(value) or not limits[0] <= value <= limits[1]:
        option = f"--{name.replace(' ', '-')}"
        raise InputError(
            f"the {name} is {value}; it has to be from {limits[0]:g} to {limits[1]:g}",
            hint=f"for example {option} {own:g}",
        )
    return value
