"""The clips of a voice as a VITS training needs them: ids and waves, padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from synctalk.training.recipe import Batch
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.mel import HOP
from synctalk.voice.phonemes import Phonemes
from synctalk.voice.samples import as_float
from synctalk.voice.spelling import Spelling


@dataclass(frozen=True, eq=False)
class Sample:
    """One clip.

    Attributes:
        ids: Of its text.
        wave: Its samples `[N]`, as `keep_samples` gives them.
        speaker: Number of who speaks.
    """

    ids: list[int]
    wave: NDArray[Any]
    speaker: int


class VitsClips:
    """Samples of one half of a corpus.

    Args:
        corpus: What was prepared.
        samples: Of all its clips `[N]`, as `keep_samples` gives them.
        spelling: From text, or from phonemes, to ids; that of the corpus when not given.
        is_held_out: Which half.
    """

    def __init__(
        self, corpus: Corpus, samples: NDArray[Any], spelling: Spelling | None = None, *, is_held_out: bool
    ) -> None:
        self._clips = list(corpus.chosen(is_held_out=is_held_out))
        self._alphabet = spelling.alphabet if isinstance(spelling, Phonemes) else corpus.alphabet
        self._spelling = spelling or corpus.alphabet
        self._samples = samples

    def __len__(self) -> int:
        return len(self._clips)

    @property
    def lengths(self) -> list[int]:
        """Of the clips, in samples."""
        return [clip.samples for clip in self._clips]

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        """Clips with their texts, as `batch_of`; nothing about them is random, so `seeds` is not used."""
        return batch_of([self.sample(index) for index in indices])

    def sample(self, index: int) -> Sample:
        """One clip."""
        clip = self._clips[index]
        return Sample(self._spell(clip), self._samples[clip.start : clip.start + clip.samples], clip.speaker)

    def _spell(self, clip: Clip) -> list[int]:
        """Phonemes were asked for once, by `prepare`: a training needs no espeak for its clips."""
        return self._alphabet.spell(clip.phonemes) if clip.phonemes else self._spelling.encode(clip.text)


def batch_of(samples: Sequence[Sample]) -> Batch:
    """Clips, padded.

    Returns:
        `ids` `[B, S]`, `id_lengths` `[B]`, `wave` `[B, N]` in -1..1 with N a multiple of the hop, `wave_lengths` `[B]`
        and `speaker` `[B]`.
    """
    longest = -(-max(len(each.wave) for each in samples) // HOP) * HOP
    padded = torch.zeros(len(samples), longest)
    for row, each in zip(padded, samples, strict=True):
        row[: len(each.wave)] = torch.from_numpy(as_float(each.wave))
    return {
        "ids": torch.nn.utils.rnn.pad_sequence([torch.tensor(each.ids) for each in samples], batch_first=True),
        "id_lengths": _numbers(len(each.ids) for each in samples),
        "wave": padded,
        "wave_lengths": _numbers(len(each.wave) for each in samples),
        "speaker": _numbers(each.speaker for each in samples),
    }


def _numbers(values: object) -> Tensor:
    return torch.tensor(list(values))  # type: ignore[call-overload]
