"""Samples for the aligner: the sounds of a clip, silences between all words, and the features of its frames.

Whether there is a silence between two words nobody knows before; one frame of it is always possible.

Legend: B clips, N sounds, T frames, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from synctalk.training.recipe import Batch
from synctalk.voice.aligner import PADDING, QUIET, Acoustics, features_of
from synctalk.voice.corpus import Clip
from synctalk.voice.forward_sum import log_prior
from synctalk.voice.mel import HOP, mel_spectrogram
from synctalk.voice.samples import as_float
from synctalk.voice.units import sound_of
from synctalk.voice.utterance import Utterance

_CONCENTRATION = 0.2
_MOST_LISTENED = 200


@dataclass(frozen=True)
class SpokenClip:
    """A clip that can be aligned.

    Attributes:
        clip: Its text and sound.
        utterance: What is said in it.
    """

    clip: Clip
    utterance: Utterance

    @property
    def frames(self) -> int:
        """How many it has."""
        return self.clip.samples // HOP

    @property
    def sounds(self) -> int:
        """How many it has, with a silence before, between and after its words."""
        return sum(map(len, self.utterance.words)) + len(self.utterance.words) + 1


@dataclass(frozen=True)
class Sounds:
    """The kinds of sounds of one corpus.

    Attributes:
        names: Without stress; their ids follow those of padding and silence.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, clips: Sequence[SpokenClip]) -> Sounds:
        """All that are said in some clips."""
        return cls(tuple(sorted({sound_of(unit) for one in clips for word in one.utterance.words for unit in word})))

    def __len__(self) -> int:
        return QUIET + 1 + len(self.names)

    def encode(self, utterance: Utterance) -> Tensor:
        """A silence, and each word with a silence after it: `[N]`."""
        ids = {name: number for number, name in enumerate(self.names, start=QUIET + 1)}
        words = [number for word in utterance.words for number in (*(ids[sound_of(unit)] for unit in word), QUIET)]
        return torch.tensor([QUIET, *words])


class SpokenClips:
    """Clips to learn an alignment from, or to align.

    Args:
        clips: With what is said in them.
        sounds: At least theirs.
        samples: Of the whole corpus `[S]`, as `keep_samples` gives them.
        acoustics: Of the corpus.
        rate_hz: Samples per second.
    """

    def __init__(
        self,
        clips: Sequence[SpokenClip],
        sounds: Sounds,
        samples: NDArray[Any],
        acoustics: Acoustics,
        *,
        rate_hz: int,
    ) -> None:
        self._clips = clips
        self._samples = samples
        self._acoustics = acoustics
        self._rate_hz = rate_hz
        self._sounds = [sounds.encode(one.utterance) for one in clips]

    def __len__(self) -> int:
        return len(self._clips)

    @property
    def lengths(self) -> list[int]:
        """Frames of each clip."""
        return [one.frames for one in self._clips]

    def load(self, indices: Sequence[int], _seeds: Sequence[int]) -> Batch:
        """One batch.

        Returns:
            `sounds` int64 `[B, N]`, `PADDING` beyond the end; `sound_count` int64 `[B]`; `features` float32
            `[B, D, T]` and `frame_count` int64 `[B]`; `prior`, its logarithm, float32 `[B, N, T]`.
        """
        sounds = [self._sounds[index] for index in indices]
        features = [self._features(self._clips[index]) for index in indices]
        prior = torch.zeros(len(indices), max(map(len, sounds)), max(one.shape[1] for one in features))
        for row, one, heard in zip(prior, sounds, features, strict=True):
            own = log_prior(_places(one), heard.shape[1], concentration=_CONCENTRATION)
            row[: own.shape[0], : own.shape[1]] = own
        return {
            "sounds": pad_sequence(sounds, batch_first=True, padding_value=PADDING),
            "sound_count": torch.tensor([len(one) for one in sounds]),
            "features": pad_sequence([one.T for one in features], batch_first=True).mT.contiguous(),
            "frame_count": torch.tensor([one.shape[1] for one in features]),
            "prior": prior,
        }

    def _features(self, one: SpokenClip) -> Tensor:
        return self._acoustics.even(_listen(one, self._samples, self._rate_hz))


def survey_sound(clips: Sequence[SpokenClip], samples: NDArray[Any], *, rate_hz: int) -> Acoustics:
    """What a corpus sounds like, by at most 200 of its clips, spread over all of it."""
    chosen = clips[:: -(-len(clips) // _MOST_LISTENED)]
    return Acoustics.of(torch.cat([_listen(one, samples, rate_hz) for one in chosen], dim=1))


def _places(sounds: Tensor) -> Tensor:
    """Where each sound is among those that are heard; a silence, of which nobody knows, is between two: `[N]`."""
    is_quiet = sounds == QUIET
    place = (~is_quiet).cumsum(dim=0) - 1
    return (place + 0.5 * is_quiet).clamp(0, int(place[-1]))


def _listen(one: SpokenClip, samples: NDArray[Any], rate_hz: int) -> Tensor:
    """Features `[D, T]`."""
    sound = as_float(samples[one.clip.start : one.clip.start + one.clip.samples])
    return features_of(mel_spectrogram(torch.from_numpy(sound)[None], rate_hz=rate_hz)[0])
