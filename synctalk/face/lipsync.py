"""Source frames and sound in, speaking frames out: the one path that render, preview and evaluate share.

Nothing is collected: decoding, the network and the composition each work a few frames ahead of the next, in threads of
their own, so an hour of video needs no more memory than a second.

Call tree of `LipSync.frames`:
    _shots       decode the walk, cut crops, add what is heard         (thread)
    _predicted   one call of the network per batch                     (thread)
    _finished    match colours, paste back, cross-fade                 (the caller's thread)
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Generator as Stream
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.face.composite import ColourMatch, paste
from synctalk.face.footage import Footage, Image
from synctalk.face.framewalk import Step
from synctalk.face.readahead import read_ahead
from synctalk.face.soundgate import rest_in_silence
from synctalk.media.vad import find_speech

if TYPE_CHECKING:
    from synctalk.face.generator import Generator

_LARGEST_BATCH = 16
_BATCH_BYTES = 64 << 20
_HEAR_FRAMES = 1000
_HEAR_MARGIN_FRAMES = 50


@dataclass(frozen=True, eq=False)
class Shown:
    """One finished frame.

    Attributes:
        image: The frame to show, uint8 `[H, W, 3]`.
        original: The source frame it was made from.
        frame: The number of that source frame.
    """

    image: Image
    original: Image
    frame: int


class Stopwatch:
    """Adds up the seconds spent in each part of the work; one part belongs to one thread."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - begun


@dataclass(frozen=True, eq=False)
class _Shot:
    """One source picture on its way; a cross-faded frame is made of two."""

    frame: int
    image: Image
    crop: Image
    heard: NDArray[np.float32]
    overlay_share: float | None
    is_last: bool


class LipSync:
    """Lets the person of a recording say what is heard.

    Args:
        footage: The recording.
        generator: The trained network.
    """

    def __init__(self, footage: Footage, generator: Generator) -> None:
        self._footage = footage
        self._generator = generator
        self.stopwatch = Stopwatch()
        frame_bytes = footage.reader.width * footage.reader.height * 3
        self._batch_size = max(1, min(_LARGEST_BATCH, _BATCH_BYTES // frame_bytes))

    def frames(self, steps: Iterable[Step], samples: NDArray[np.float32]) -> Stream[Shown]:
        """The finished frames of a walk, one per step.

        Args:
            steps: Which source frames to show, usable ones only.
            samples: What the network hears, 16 kHz; step i shows the time i / 25 s. Silence follows its end.

        Yields:
            One finished frame per step. Close the iterator when it is not read to its end.
        """
        with (
            read_ahead(self._shots(steps, samples), depth=self._batch_size) as shots,
            read_ahead(self._predicted(shots), depth=self._batch_size) as predicted,
        ):
            yield from self._finished(predicted)

    def _shots(self, steps: Iterable[Step], samples: NDArray[np.float32]) -> Iterator[_Shot]:
        shown, followed, faded = itertools.tee(steps, 3)
        pictures = self._footage.follow(step.frame for step in followed)
        overlays = self._footage.follow(step.fade_to for step in faded if step.fade_to is not None)
        rows = self._heard(samples)
        for step in shown:
            with self.stopwatch.part("hear"):
                heard = next(rows)
            yield self._shot(step.frame, pictures, heard, overlay_share=None, is_last=step.fade_to is None)
            if step.fade_to is not None:
                yield self._shot(step.fade_to, overlays, heard, overlay_share=step.share, is_last=True)

    def _shot(
        self,
        frame: int,
        pictures: Iterator[Image],
        heard: NDArray[np.float32],
        *,
        overlay_share: float | None,
        is_last: bool,
    ) -> _Shot:
        with self.stopwatch.part("decode"):
            image = next(pictures)
        with self.stopwatch.part("crop"):
            crop = self._footage.crop(frame, image, self._generator.size_px)
        return _Shot(frame, image, crop, heard, overlay_share, is_last)

    def _heard(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """The network's input per frame, without end; computed in stretches that overlap by what a window can reach."""
        total = -(-len(samples) // SAMPLES_PER_FRAME)
        first = 0
        while True:
            stop = min(first + _HEAR_FRAMES, max(total, first + _HEAR_MARGIN_FRAMES))
            begin, end = max(0, first - _HEAR_MARGIN_FRAMES), stop + _HEAR_MARGIN_FRAMES
            part = np.zeros((end - begin) * SAMPLES_PER_FRAME, np.float32)
            sound = samples[begin * SAMPLES_PER_FRAME : end * SAMPLES_PER_FRAME]
            part[: len(sound)] = sound
            rows = self._generator.hear(part, frames=end - begin)
            yield from rows[first - begin : stop - begin]
            first = stop

    def _predicted(self, shots: Iterator[_Shot]) -> Iterator[tuple[_Shot, Image]]:
        """Each shot with the picture that the network draws for it."""
        size_px = self._generator.size_px
        while batch := list(itertools.islice(shots, self._batch_size)):
            with self.stopwatch.part("network"):
                pictures = self._generator.predict(
                    np.stack([shot.crop for shot in batch]),
                    np.stack([self._footage.reference(shot.frame, size_px) for shot in batch]),
                    np.stack([shot.heard for shot in batch]),
                )
            yield from zip(batch, pictures, strict=True)

    def _finished(self, predicted: Iterable[tuple[_Shot, Image]]) -> Iterator[Shown]:
        """Frames with the pictures in them; the second of a cross-faded pair is mixed into the first."""
        match, overlay_match = ColourMatch(), ColourMatch()
        below: Shown | None = None
        for shot, picture in predicted:
            with self.stopwatch.part("paste"):
                colours = match if shot.overlay_share is None else overlay_match
                image = self._pasted(shot, picture, colours)
                if below is not None and shot.overlay_share is not None:
                    image = _mixed(below.image, image, shot.overlay_share)
            shown = Shown(image, shot.image, shot.frame)
            if shot.is_last:
                yield shown
            below = shown

    def _pasted(self, shot: _Shot, picture: Image, colours: ColourMatch) -> Image:
        size_px = self._generator.size_px
        area = self._footage.face_area(shot.frame, size_px)
        shown = self._generator.alpha
        matched = colours.match(picture, shot.crop, ring=area.ring * (shown > 0))
        alpha = shown * area.share
        return paste(shot.image, matched, alpha=alpha, box=self._footage.box(shot.frame, size_px))


def _mixed(below: Image, above: Image, share: float) -> Image:
    return np.asarray(cv2.addWeighted(below, 1 - share, above, share, 0), np.uint8)


def heard_when_speaking(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network should hear of a sound: its speech, and silence between.

    Shape:
        `[T]` at 16 kHz -> `[T]`.
    """
    return rest_in_silence(samples, find_speech(samples))
