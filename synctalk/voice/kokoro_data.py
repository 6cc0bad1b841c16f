"""Samples for training the transformer voice: tokens, their frames, and the spectrogram of a clip.

A sample is a whole clip and makes no random choice. Spectrograms are computed when a batch is loaded: that takes a few
milliseconds per clip, and keeps nothing in memory.

Legend: B clips, N tokens, T frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from synctalk.voice.aligned import AlignedClip
from synctalk.voice.mel import LEAST_MAGNITUDE, mel_spectrogram
from synctalk.voice.phones import TokenSet
from synctalk.voice.samples import as_float

BEYOND_END = math.log(LEAST_MAGNITUDE)
"""What spectrograms are padded with: less than any sound, never a loud wall."""


class KokoroClips:
    """Clips to learn from, or to judge by.

    Args:
        clips: With their alignments.
        tokens: The ids of their tokens.
        samples: Of the whole corpus `[S]`, as `keep_samples` gives them.
        rate_hz: Samples per second.
    """

    def __init__(self, clips: Sequence[AlignedClip], tokens: TokenSet, samples: NDArray[Any], *, rate_hz: int) -> None:
        self._clips = clips
        self._samples = samples
        self._rate_hz = rate_hz
        self._tokens = [torch.tensor(tokens.encode(one.timed.tokens)) for one in clips]
        self._frames = [torch.tensor(one.timed.frames) for one in clips]

    def __len__(self) -> int:
        return len(self._clips)

    @property
    def lengths(self) -> list[int]:
        """Frames of each clip."""
        return [sum(one.timed.frames) for one in self._clips]

    def load(self, indices: Sequence[int], _seeds: Sequence[int]) -> dict[str, Tensor]:
        """One batch.

        Returns:
            `tokens` int64 `[B, N]` and `frames` int64 `[B, N]`, 0 beyond the end; `mel` float32 `[B, 80, T]`,
            `BEYOND_END` beyond it; `frame_count` int64 `[B]`.
        """
        mels = [self._mel(self._clips[index]) for index in indices]
        return {
            "tokens": pad_sequence([self._tokens[index] for index in indices], batch_first=True),
            "frames": pad_sequence([self._frames[index] for index in indices], batch_first=True),
            "mel": pad_sequence(mels, batch_first=True, padding_value=BEYOND_END).transpose(1, 2).contiguous(),
            "frame_count": torch.tensor([len(mel) for mel in mels]),
        }

    def _mel(self, one: AlignedClip) -> Tensor:
        """`[T, 80]`."""
        first = one.clip.start
        sound = as_float(self._samples[first : first + one.clip.samples])
        return mel_spectrogram(torch.from_numpy(sound)[None], rate_hz=self._rate_hz)[0].T
