"""Samples for the two trainings of the face line, drawn from one recording.

A sample of the mouth training is a clip of consecutive frames that share one reference frame; a sample of the SyncNet
is a clip with the sound that belongs to it and sounds from other moments. Every random choice is a function of the
seed that comes with the sample; held-out samples make none.

Legend: B clips, T frames per clip, S side of a crop, N frames of the recording, K sounds per clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synctalk.errors import InputError
from synctalk.face.audio_track import AudioTrack, MelTrack, vary_mel
from synctalk.face.mask import LIP_POINTS
from synctalk.face.recording import Recording
from synctalk.media.mel import windows_at

Floats = NDArray[np.float32]
Frames = NDArray[np.int64]

CLIP_FRAMES = 5
SYNC_MELS = 20
"""Width of the SyncNet's mel window: the 200 ms of five frames and 25 ms to each side."""

REFERENCE_GAP = 12
"""A reference is at least this many frames away from the middle of the clip it lends to."""
MASK_LEVELS = 4
"""How many sizes of the hidden part the training chooses from."""

NEAREST_SHIFT, FARTHEST_SHIFT = 3, 15
"""How far a wrong sound is from the right one, in frames."""
WRONG_SOUNDS = 4
HELD_OUT_SHIFTS = (-15, -9, -5, -3, 3, 5, 9, 15)
_HEARD_DIFFERENCE = 0.25  # mean difference on the mel scale (about 3 dB) from which two sounds are told apart

_GOLDEN = 0.618034
_LARGEST_MOVE, _LARGEST_TURN, _LARGEST_GROWTH = 0.01, 0.01, 0.01
"""Of the side, in radians, and as logarithm of the size."""
_GATED_SHARE = 0.5
_EXTRA_SILENCE = 0.1


class MouthClips:
    """Clips for training the mouth generator, or for judging it.

    Args:
        recording: The clip of the person.
        plain: What is heard in the recording.
        gated: The same with everything but speech silenced, as it is when rendering.
        is_held_out: Whether samples come from the held-out part, without random choices.

    Raises:
        InputError: This part has no five consecutive frames with a face.
    """

    def __init__(self, recording: Recording, plain: AudioTrack, gated: AudioTrack, *, is_held_out: bool) -> None:
        self._recording = recording
        self._tracks = (plain, gated)
        self._is_held_out = is_held_out
        self._starts = clip_starts(recording, is_held_out=is_held_out)
        self._references = recording.references()
        self._poses = recording.poses()
        self._lips = standard_lips(recording)
        self._strata = _strata(self._starts)
        if not is_held_out:
            self._strata += _silent_strata(self._strata, recording.speech)

    def __len__(self) -> int:
        return len(self._strata)

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> dict[str, Tensor]:
        """One batch.

        Returns:
            `target` uint8 `[B, T, S, S, 3]`, `reference` uint8 `[B, S, S, 3]`, `audio` float32 `[B, T, ...]`,
            `wrong_audio` (the same from half a recording away), `sync_mel` float32 `[B, 80, SYNC_MELS]` (the sound of
            the whole clip), `lips` float32 `[B, T, P]` (`standard_lips`) and `mask_level` int64 `[B]`.
        """
        clips = [self._clip(index, seed) for index, seed in zip(indices, seeds, strict=True)]
        frames = np.stack([start + np.arange(CLIP_FRAMES) for start, _ in clips])  # [B, T]
        references = np.array([self._reference(start, generator) for start, generator in clips])
        targets = [self._target(row, clip[1]) for row, clip in zip(frames, clips, strict=True)]
        half = len(self._recording.crops) // 2
        wrong = (frames + half) % len(self._recording.crops)
        middles = frames[:, CLIP_FRAMES // 2]
        levels = [0 if self._is_held_out else int(generator.integers(MASK_LEVELS)) for _, generator in clips]
        batch = {
            "target": np.stack(targets),
            "reference": _crops(self._recording, references),
            "audio": np.stack([self._hear(row, clip[1]) for row, clip in zip(frames, clips, strict=True)]),
            "sync_mel": windows_at(self._recording.mel, middles, SYNC_MELS),
            "lips": self._lips[frames],
            "mask_level": np.array(levels, np.int64),
        }
        if self._is_held_out:
            batch["wrong_audio"] = np.stack([self._tracks[0].at(row) for row in wrong])
        return {name: torch.from_numpy(array) for name, array in batch.items()}

    def reference_of(self, index: int, seed: int) -> tuple[int, int]:
        """The first frame of a sample's clip and the number of its reference frame."""
        start, generator = self._clip(index, seed)
        return start, self._reference(start, generator)

    def _clip(self, index: int, seed: int) -> tuple[int, np.random.Generator]:
        generator = np.random.default_rng(seed)
        stratum = self._strata[index]
        start = stratum[0] if self._is_held_out else stratum[int(generator.integers(len(stratum)))]
        return int(start), generator

    def _reference(self, start: int, generator: np.random.Generator) -> int:
        middle = start + CLIP_FRAMES // 2
        chance = start * _GOLDEN % 1 if self._is_held_out else float(generator.random())
        return self._references.draw(middle, self._poses[middle], gap=REFERENCE_GAP, chance=chance)

    def _target(self, frames: Frames, generator: np.random.Generator) -> NDArray[np.uint8]:
        crops = _crops(self._recording, frames)
        return crops if self._is_held_out else moved(crops, generator)

    def _hear(self, frames: Frames, generator: np.random.Generator) -> Floats:
        if self._is_held_out:
            return self._tracks[0].at(frames)
        track = self._tracks[int(generator.random() < _GATED_SHARE)]
        heard = track.at(frames)
        return vary_mel(heard, generator) if isinstance(track, MelTrack) else heard


class SyncClips:
    """Clips with right and wrong sounds, for training the SyncNet or for judging it.

    Wrong sounds come from the same part of the recording, 3 to 15 frames earlier or later; for a held-out part that is
    too short they may also come from before it. A sound that nobody could tell from the right one (silence for silence)
    has weight 0.

    Args:
        recording: The clip of the person.
        is_held_out: Whether samples come from the held-out part, with fixed shifts.

    Raises:
        InputError: This part has no five consecutive frames with a face.
    """

    def __init__(self, recording: Recording, *, is_held_out: bool) -> None:
        self._recording = recording
        self._is_held_out = is_held_out
        self._starts = clip_starts(recording, is_held_out=is_held_out)
        self._strata = _strata(self._starts)
        first, count = recording.first_held_out, len(recording.crops)
        is_short = count - first < CLIP_FRAMES + 2 * FARTHEST_SHIFT
        self._part = (0, first) if not is_held_out else (0 if is_short else first, count)

    def __len__(self) -> int:
        return len(self._strata)

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> dict[str, Tensor]:
        """One batch.

        Returns:
            `frames` uint8 `[B, T, S, S, 3]`; `mels` float32 `[B, K, 80, SYNC_MELS]`, the right sound first; `weight`
            float32 `[B, K]`, 0 where a wrong sound is not there or is like the right one; `variation` float32 `[B, 4]`
            in [-1, 1] for the augmentation of the pictures (zeros when held out).
        """
        starts, shifts, windows, variation = [], [], [], []
        for index, seed in zip(indices, seeds, strict=True):
            generator = np.random.default_rng(seed)
            start = self._start(index, generator)
            offsets = self.shifts(start, generator)
            heard = windows_at(self._recording.mel, start + CLIP_FRAMES // 2 + offsets, SYNC_MELS)
            starts.append(start)
            shifts.append(offsets)
            windows.append(heard if self._is_held_out else vary_mel(heard, generator))
            variation.append(np.zeros(4) if self._is_held_out else generator.uniform(-1, 1, 4))
        frames = np.array(starts)[:, None] + np.arange(CLIP_FRAMES)
        mels = np.stack(windows)
        batch = {
            "frames": _crops(self._recording, frames),
            "mels": mels,
            "weight": _weights(np.stack(shifts), mels),
            "variation": np.stack(variation).astype(np.float32),
        }
        return {name: torch.from_numpy(array) for name, array in batch.items()}

    def shifts(self, start: int, generator: np.random.Generator) -> Frames:
        """The distances in frames of the sounds of one sample `[K]`: 0 first, then wrong ones; 0 again where none is.

        Args:
            start: First frame of the clip.
            generator: Source of the choices; a held-out sample makes none.
        """
        first, stop = self._part
        wanted = np.array(HELD_OUT_SHIFTS)
        if not self._is_held_out:
            sizes = generator.integers(NEAREST_SHIFT, FARTHEST_SHIFT + 1, WRONG_SOUNDS)
            wanted = sizes * generator.choice([-1, 1], WRONG_SOUNDS)
        for turned in (wanted, -wanted):
            moved = start + turned
            if self._is_held_out or ((moved >= first) & (moved + CLIP_FRAMES <= stop)).all():
                break
            wanted = np.where((moved >= first) & (moved + CLIP_FRAMES <= stop), turned, -turned)
        moved = start + wanted
        is_inside = (moved >= first) & (moved + CLIP_FRAMES <= stop)
        return np.concatenate([[0], np.where(is_inside, wanted, 0)]).astype(np.int64)

    def _start(self, index: int, generator: np.random.Generator) -> int:
        stratum = self._strata[index]
        return int(stratum[0] if self._is_held_out else stratum[int(generator.integers(len(stratum)))])


def clip_starts(recording: Recording, *, is_held_out: bool) -> Frames:
    """The frames from which a whole clip of usable frames lies in one part of the recording.

    Raises:
        InputError: There is none.
    """
    first, count = recording.first_held_out, len(recording.crops)
    begin, stop = (first, count) if is_held_out else (0, first)
    unusable_before = np.concatenate([[0], np.cumsum(~recording.is_usable)])
    starts: Frames = np.arange(begin, max(begin, stop - CLIP_FRAMES + 1))
    starts = starts[unusable_before[starts + CLIP_FRAMES] == unusable_before[starts]]
    if not len(starts):
        which = "the last 1/11 of the recording" if is_held_out else "the recording"
        raise InputError(
            f"{which} has no {CLIP_FRAMES} consecutive frames with a face",
            hint="synctalk check FILE says what to record again; the end of the clip must show the face too",
        )
    return starts


def standard_lips(recording: Recording) -> Floats:
    """Where lips and chin are in each crop, less where they are on average, in units of their mean deviation.

    Returns:
        `[N, 2 * points]`; NaN where no face was found.
    """
    points = recording.points[:, LIP_POINTS].reshape(len(recording.points), -1)
    known = points[: recording.first_held_out]
    known = known[np.isfinite(known).all(axis=1)]
    standard: Floats = (points - known.mean(axis=0)) / max(float(known.std(axis=0).mean()), 1e-3)
    return standard


def moved(crops: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """A clip shifted, turned and resized a little, all its frames alike.

    The box of a crop is fitted to points that a detector moves by parts of a pixel when the mouth opens. Eyes, nose and
    hair then move in the crop, all alike, and a network reads the opening from it (measured on the drawn presenter:
    predicted with a correlation of 0.78 from the ten uppermost rows alone). After this they tell nothing.

    Args:
        crops: uint8 `[T, S, S, 3]`.
        generator: Source of the choices.
    """
    size = crops.shape[1]
    across, down, turn, growth = generator.uniform(-1, 1, 4)
    scale = np.exp(_LARGEST_GROWTH * growth)
    cosine, sine = scale * np.cos(_LARGEST_TURN * turn), scale * np.sin(_LARGEST_TURN * turn)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    middle = np.full(2, (size - 1) / 2)
    shift = middle - linear @ middle + _LARGEST_MOVE * size * np.array([across, down])
    matrix = np.column_stack([linear, shift])
    options: dict[str, Any] = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REPLICATE}
    return np.stack([np.asarray(cv2.warpAffine(crop, matrix, (size, size), **options), np.uint8) for crop in crops])


def _strata(starts: Frames) -> list[Frames]:
    """The starts in groups of T neighbours: one sample of an epoch comes from each, so every frame is seen."""
    return [starts[first : first + CLIP_FRAMES] for first in range(0, len(starts), CLIP_FRAMES)]


def _silent_strata(strata: list[Frames], speech: NDArray[np.bool_]) -> list[Frames]:
    """Quiet groups again, up to a tenth of the epoch: mouths that do not close in silence are the worst fault."""
    quiet = [stratum for stratum in strata if not speech[stratum[0] : stratum[-1] + CLIP_FRAMES].any()]
    return quiet[: int(_EXTRA_SILENCE * len(strata))]


def _crops(recording: Recording, frames: Frames) -> NDArray[np.uint8]:
    return np.ascontiguousarray(recording.crops[frames])


def _weights(shifts: Frames, mels: Floats) -> Floats:
    difference = np.abs(mels - mels[:, :1]).mean(axis=(2, 3))  # [B, K]
    weights: Floats = ((shifts != 0) & (difference > _HEARD_DIFFERENCE)).astype(np.float32)
    weights[:, 0] = 1
    return weights
