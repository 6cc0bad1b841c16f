"""Paste-back: a predicted face crop becomes part of the full frame again, without a visible box.

Three things keep the border unseen: the picture returns through the exact inverse of the sub-pixel transform that cut
it out, its share falls off softly (`alpha`), and before that its colours are shifted to those of the skin around.
Pixels that the picture has no share in stay bit for bit what they were.
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
_RING_POINTS = 800
_ORDINARY_ERROR = 8.0  # grey levels; larger differences (a chin that moved) count less and less
_ENLARGED = 2
_FITS = 4
_LARGEST_SHIFT = 24.0
_LARGEST_SLOPE = 16.0
_ADAPTATION = 0.5  # share of a new frame in the colour shift: a mouth opens in three frames, noise is gone in two
_UNSEEN_STEEPNESS = 0.5  # grey levels per pixel: what nobody sees on a flat wall


class ColourMatch:
    """Shifts the colours of pictures to those of the frames they go into, as seen on the skin around the mouth.

    The shift is a plane per channel (one side of a face is often brighter), fitted by robust least squares, and follows
    the frames with a delay of a frame or two, so that it cannot flicker.
    """

    def __init__(self) -> None:
        self._planes: NDArray[np.float64] | None = None

    def match(self, picture: Frame, original: Frame, *, ring: Alpha) -> Picture:
        """`picture` with its colours shifted towards the crop of the frame it goes into.

        Args:
            picture: What the network drew.
            original: The same crop of the frame.
            ring: Where the two show the same skin: how much each pixel counts, in [0, 1]. Without any, the shift of
                the frames before is used.

        Shape:
            pictures `[S, S, 3]` RGB, ring `[S, S]` -> `[S, S, 3]` in grey levels, not clipped.
        """
        places = np.linspace(-1, 1, len(ring), dtype=np.float32)
        chosen = np.flatnonzero(ring > _LEAST_SHARE)
        chosen = chosen[:: max(1, len(chosen) // _RING_POINTS)]
        if len(chosen):
            rows, columns = np.divmod(chosen, len(ring))
            basis = np.stack([np.ones(len(chosen)), places[columns], places[rows]], axis=1)  # [R, 3]
            inside, outside = (crop.reshape(-1, 3)[chosen].astype(np.float64) for crop in (picture, original))
            fitted = _fit_planes(basis, outside - inside, ring.reshape(-1)[chosen].astype(np.float64))
            self._planes = fitted if self._planes is None else self._planes + _ADAPTATION * (fitted - self._planes)
        if self._planes is None:
            return picture.astype(np.float32)
        constant, across, down = self._planes.astype(np.float32)
        shifted: Picture = picture + (constant + across * places[None, :, None] + down * places[:, None, None])
        return shifted


def _fit_planes(
    basis: NDArray[np.float64], difference: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Planes `[3 (constant, across, down), 3 (RGB)]` through most of the differences.

    Shape:
        basis `[R, 3]`, difference `[R, 3]`, weight `[R]`.
    """
    planes = np.zeros((3, 3))
    for _ in range(_FITS):
        error = np.abs(difference - basis @ planes).mean(axis=1)
        trusted = weight / (1 + (error / _ORDINARY_ERROR) ** 2)
        normal = basis.T @ (basis * trusted[:, None])
        normal += np.diag([1e-6, 0.05, 0.05]) * trusted.sum()  # slopes only where the skin really shows one
        planes = np.linalg.solve(normal, basis.T @ (difference * trusted[:, None]))
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
    colours = _placed(np.clip(np.rint(picture), 0, 255).astype(np.uint8), box, window)
    share = _placed(alpha, box, window)
    share[share < _LEAST_SHARE] = 0
    region = result[window]
    region[:] = cv2.blendLinear(region, colours, 1 - share, share)
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


def _placed(layer: Any, box: Box, window: tuple[slice, slice]) -> Any:
    """A layer of the crop (colours `[S, S, 3]` or share `[S, S]`) as it lies in a window of the frame."""
    scale = _scale(box)
    placed = box.copy()
    placed[:, 2] += box[:, :2] @ (window[1].start, window[0].start)
    if scale > 1:  # it shrinks: without this, fine lines would shimmer from frame to frame
        layer = cv2.GaussianBlur(layer, (0, 0), 0.5 * np.sqrt(scale**2 - 1) + 1e-3)
    elif layer.ndim == 3:  # it grows: sharper than a linear warp, and five times as fast as a cubic one
        layer = cv2.resize(layer, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
        placed *= _ENLARGED
        placed[:, 2] += (_ENLARGED - 1) / 2
    size = (window[1].stop - window[1].start, window[0].stop - window[0].start)
    border = cv2.BORDER_REPLICATE if layer.ndim == 3 else cv2.BORDER_CONSTANT
    return cv2.warpAffine(layer, placed, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border)


def seam_ratio(original: Frame, rendered: Frame, *, alpha: Alpha, box: Box) -> float:
    """How much steeper a frame has become along the border of the pasted picture; 1 means no visible border.

    The mean size of the image gradient where the share is between 0.02 and 0.98, rendered over original.
    """
    window = pasted_window(alpha, box, height=original.shape[0], width=original.shape[1])
    if window is None:
        return 1.0
    share = _placed(alpha, box, window)
    border = (share > 0.02) & (share < 0.98)
    if not border.any():
        return 1.0
    steep_before, steep_after = (_steepness(frame[window])[border].mean() for frame in (original, rendered))
    return float((steep_after + _UNSEEN_STEEPNESS) / (steep_before + _UNSEEN_STEEPNESS))


def _steepness(region: Frame) -> NDArray[np.float32]:
    grey = cv2.cvtColor(region, cv2.COLOR_RGB2GRAY)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(grey, cv2.CV_32F, 0, 1) / 8
    steepness: NDArray[np.float32] = np.hypot(across, down)
    return steepness
