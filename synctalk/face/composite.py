"""Paste-back: a predicted face crop becomes part of the full frame again, without a visible box.

Three things keep the border unseen: the picture returns through the exact inverse of the sub-pixel transform that cut
it out, its share falls off softly (`alpha`), and before that its colours are shifted to those of the frame along the
border. Pixels that the picture has no share in stay bit for bit what they were.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Picture = NDArray[np.float32]
Alpha = NDArray[np.float32]
Box = NDArray[np.float64]

_LEAST_SHARE = 1 / 512  # a smaller one cannot change an 8-bit value
_RING_POINTS = 2000
_ORDINARY_ERROR = 8.0  # grey levels; larger differences along the border (a chin that moved) count less and less
_FITS = 5
_LARGEST_SHIFT = 24.0
_LARGEST_SLOPE = 16.0
_ADAPTATION = 0.2  # share of a new frame's colour shift: light drifts slowly, single frames are noisy
_UNSEEN_STEEPNESS = 0.5  # grey levels per pixel: what nobody sees on a flat wall


class ColourMatch:
    """Shifts the colours of pictures so that they meet the frame along the border.

    The shift is a plane per channel (one side of a face is often brighter), fitted by robust least squares where the
    picture fades out, and follows the frames slowly, so that it cannot flicker.

    Args:
        alpha: Share of the picture in the frame `[S, S]`, in [0, 1].
    """

    def __init__(self, alpha: Alpha) -> None:
        size = len(alpha)
        ring = np.flatnonzero((alpha > 0.1) & (alpha < 0.9))
        self._ring = ring[:: max(1, len(ring) // _RING_POINTS)]
        self._share = (4 * alpha * (1 - alpha)).reshape(-1)[self._ring]
        places = np.linspace(-1, 1, size, dtype=np.float32)
        rows, columns = np.divmod(self._ring, size)
        self._basis = np.stack([np.ones(len(self._ring), np.float32), places[columns], places[rows]], axis=1)  # [R, 3]
        self._places = places
        self._planes: NDArray[np.float64] | None = None

    def restart(self) -> None:
        """Forget the frames so far: the next one is from another time or place."""
        self._planes = None

    def match(self, picture: Frame, original: Frame) -> Picture:
        """`picture` with its colours shifted towards the crop of the frame it goes into.

        Shape:
            both `[S, S, 3]` RGB -> `[S, S, 3]` in grey levels, not clipped.
        """
        if not len(self._ring):
            return picture.astype(np.float32)
        fitted = self._fit(picture.reshape(-1, 3)[self._ring], original.reshape(-1, 3)[self._ring])
        if self._planes is None:
            self._planes = fitted
        self._planes += _ADAPTATION * (fitted - self._planes)
        constant, across, down = self._planes.astype(np.float32)
        shift = constant + across * self._places[None, :, None] + down * self._places[:, None, None]
        shifted: Picture = picture + shift
        return shifted

    def _fit(self, inside: NDArray[np.uint8], outside: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Planes `[3 (constant, across, down), 3 (RGB)]` that turn the colours `inside` into those `outside`."""
        difference = outside.astype(np.float64) - inside  # [R, 3]
        planes = np.zeros((3, 3))
        weight = self._share.astype(np.float64)
        for _ in range(_FITS):
            error = np.abs(difference - self._basis @ planes).mean(axis=1)
            trusted = weight / (1 + (error / _ORDINARY_ERROR) ** 2)
            normal = self._basis.T @ (self._basis * trusted[:, None])
            normal += np.diag([1e-6, 0.05, 0.05]) * trusted.sum()  # slopes only where the ring really shows one
            planes = np.linalg.solve(normal, self._basis.T @ (difference * trusted[:, None]))
        limits = np.array([[_LARGEST_SHIFT], [_LARGEST_SLOPE], [_LARGEST_SLOPE]])
        return np.clip(planes, -limits, limits)


def paste(frame: Frame, picture: Picture, *, alpha: Alpha, box: Box) -> Frame:
    """The frame with the picture in its place.

    Args:
        frame: Full frame, left as it is.
        picture: What to put in, in grey levels, aligned as the crop that `box` cuts out.
        alpha: Share of the picture, in [0, 1]; 0 along its edges.
        box: Full-frame pixel (x, y, 1) -> crop pixel (x, y).

    Shape:
        frame `[H, W, 3]`, picture `[S, S, 3]`, alpha `[S, S]`, box `[2, 3]` -> `[H, W, 3]`.

    Returns:
        A new frame; equal to the old one wherever the picture's share is 0.
    """
    result = frame.copy()
    window = pasted_window(alpha, box, height=frame.shape[0], width=frame.shape[1])
    if window is None:
        return result
    rows, columns = window
    layer = _warped_back(picture, alpha, box=box, window=window)  # [h, w, 4], colours already times share
    share = layer[..., 3:]
    region = result[rows, columns]
    mixed = np.rint(region * (1 - share) + layer[..., :3])
    np.copyto(region, np.clip(mixed, 0, 255).astype(np.uint8), where=share > 0)
    return result


def pasted_window(alpha: Alpha, box: Box, *, height: int, width: int) -> tuple[slice, slice] | None:
    """The rows and columns of a frame that a pasted picture can reach, or None when it lies outside the frame."""
    shown_rows, shown_columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if not len(shown_rows):
        return None
    left, right, top, bottom = shown_columns[0], shown_columns[-1], shown_rows[0], shown_rows[-1]
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]], np.float64)
    in_frame = (corners - box[:, 2]) @ np.linalg.inv(box[:, :2]).T
    margin = 2 + int(2 / _scale(box))  # the interpolation reaches two crop pixels further
    first = np.maximum(np.floor(in_frame.min(axis=0)).astype(int) - margin, 0)
    last = np.minimum(np.ceil(in_frame.max(axis=0)).astype(int) + margin + 1, [width, height])
    if (first >= last).any():
        return None
    return slice(int(first[1]), int(last[1])), slice(int(first[0]), int(last[0]))


def _scale(box: Box) -> float:
    """Crop pixels per frame pixel."""
    return float(np.sqrt(abs(np.linalg.det(box[:, :2]))))


def _warped_back(picture: Picture, alpha: Alpha, *, box: Box, window: tuple[slice, slice]) -> Picture:
    rows, columns = window
    layer: Any = np.dstack([picture * alpha[..., None], alpha])
    scale = _scale(box)
    if scale > 1:  # it shrinks: without this, fine lines would shimmer from frame to frame
        layer = cv2.GaussianBlur(layer, (0, 0), 0.5 * np.sqrt(scale**2 - 1) + 1e-3)
    placed = box.copy()
    placed[:, 2] += box[:, :2] @ (columns.start, rows.start)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    interpolation = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_CUBIC
    warped = np.asarray(cv2.warpAffine(layer, placed, size, flags=interpolation | cv2.WARP_INVERSE_MAP), np.float32)
    share = warped[..., 3]
    np.clip(share, 0, 1, out=share)
    warped[share < _LEAST_SHARE] = 0
    return warped


def seam_ratio(original: Frame, rendered: Frame, *, alpha: Alpha, box: Box) -> float:
    """How much steeper a frame has become along the border of the pasted picture; 1 means no visible border.

    The mean size of the image gradient where the share is between 0.02 and 0.98, rendered over original.
    """
    rows, columns = pasted_window(alpha, box, height=original.shape[0], width=original.shape[1]) or (slice(0), slice(0))
    share = _warped_back(np.zeros((*alpha.shape, 3), np.float32), alpha, box=box, window=(rows, columns))[..., 3]
    border = (share > 0.02) & (share < 0.98)
    if not border.any():
        return 1.0
    steep_before, steep_after = (_steepness(frame[rows, columns])[border].mean() for frame in (original, rendered))
    return float((steep_after + _UNSEEN_STEEPNESS) / (steep_before + _UNSEEN_STEEPNESS))


def _steepness(region: Frame) -> NDArray[np.float32]:
    grey = cv2.cvtColor(region, cv2.COLOR_RGB2GRAY)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(grey, cv2.CV_32F, 0, 1) / 8
    steepness: NDArray[np.float32] = np.hypot(across, down)
    return steepness
