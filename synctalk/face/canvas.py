"""Painting in units: outlines, soft layers for what is painted once, and patches for what is drawn in every frame.

Lengths are in units of 1/512 of the picture's height, so that one drawing serves every size. Colours are RGB.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Points = NDArray[np.float64]
Colour = tuple[int, int, int]

UNITS = 512
CENTRE_X = 256.0

_SUBPIXEL_BITS = 4
_FINER = 4  # Outlines that stay are drawn this much larger: OpenCV's smooth lines have knots where they meet.


def curve_through(points: ArrayLike, *, per_segment: int = 24) -> Points:
    """A smooth closed outline through `points` `[N, 2]`, as `[N * per_segment, 2]`."""
    corners = np.asarray(points, dtype=np.float64)
    closed = np.vstack([corners, corners[:1]])
    knots = np.concatenate([[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(closed, axis=0), axis=1)))])
    at = np.interp(np.arange(len(corners) * per_segment) / per_segment, np.arange(len(knots)), knots)
    return np.asarray(CubicSpline(knots, closed, bc_type="periodic")(at))


def moved(outline: ArrayLike, dx: float, dy: float) -> Points:
    """The outline `[N, 2]` shifted to the right and down."""
    return np.asarray(np.asarray(outline, dtype=np.float64) + np.array([dx, dy]))


def fill(
    image: Bytes, outline: ArrayLike, colour: Sequence[float], *, scale: float, origin: tuple[float, float] = (0, 0)
) -> None:
    """Fill an outline with smooth edges, placed to 1/16 of a pixel.

    Args:
        image: `[H, W]` or `[H, W, C]`; changed in place.
        outline: `[N, 2]` in units.
        colour: One number per channel.
        scale: Pixels per unit.
        origin: Where the outer corner of the image's first pixel lies, in units.
    """
    corners = _pixels(moved(outline, -origin[0], -origin[1]), scale)
    cv2.fillPoly(image, [corners], colour, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_line(image: Bytes, path: ArrayLike, shade: int, *, scale: float, thickness_px: int) -> None:
    """Draw an open line `[N, 2]` given in units on a grey image, in place."""
    corners = [_pixels(np.asarray(path, dtype=np.float64), scale)]
    cv2.polylines(image, corners, False, (shade,), thickness_px, cv2.LINE_AA, _SUBPIXEL_BITS)  # noqa: FBT003


def _pixels(points: Points, scale: float) -> NDArray[np.int32]:
    """Fixed-point pixel coordinates of points in units; the centre of the first pixel is 0."""
    return np.asarray(np.round((points * scale - 0.5) * (1 << _SUBPIXEL_BITS)), dtype=np.int32)


def shaded(colour: Colour, factor: float) -> tuple[float, float, float]:
    """A darker (factor below 1, turning warm) or lighter (above 1, turning white) relative of a colour."""
    red, green, blue = colour
    if factor >= 1:
        share = factor - 1
        return red + (255 - red) * share, green + (255 - green) * share, blue + (255 - blue) * share
    return red * factor**0.75, green * factor**1.1, blue * factor**1.2


def times(colour: Colour, factor: float) -> Colour:
    """A colour with every channel multiplied, at most white."""
    red, green, blue = (int(min(255, channel * factor)) for channel in colour)
    return red, green, blue


class Layer:
    """A square premultiplied float picture that is painted bottom up.

    Args:
        size_px: Its side.
    """

    def __init__(self, size_px: int) -> None:
        self.size_px = size_px
        self.scale = size_px / UNITS
        self.rgb = np.zeros((size_px, size_px, 3), np.float32)
        self.alpha = np.zeros((size_px, size_px), np.float32)
        row = (np.arange(size_px, dtype=np.float32) + 0.5) / np.float32(self.scale)
        self.x, self.y = row[None, :] - np.float32(CENTRE_X), row[:, None]

    def mask(self, outline: ArrayLike, *, blur: float = 0.0) -> Floats:
        """How much of each pixel lies in `outline`, 0..1, softened by `blur` units."""
        area = np.zeros((_FINER * self.size_px, _FINER * self.size_px), np.uint8)
        corners = _pixels(np.asarray(outline, dtype=np.float64), self.scale * _FINER)
        cv2.fillPoly(area, [corners], (255,), cv2.LINE_8, _SUBPIXEL_BITS)
        size = (self.size_px, self.size_px)
        soft = cv2.resize(area, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        return np.asarray(cv2.GaussianBlur(soft, (0, 0), blur * self.scale) if blur else soft, dtype=np.float32)

    def spot(self, x: float, y: float, rx: float, ry: float) -> Floats:
        """A round soft spot centred `x` right of the centre line, 1 in its middle."""
        across = np.exp(-0.5 * np.square((self.x - x) / rx))
        down = np.exp(-0.5 * np.square((self.y - y) / ry))
        return np.asarray(across * down, dtype=np.float32)

    def paint(self, mask: Floats, colour: ArrayLike) -> None:
        """Cover with `colour` (RGB, or a picture of it) where `mask` says."""
        cover = mask[..., None]
        self.rgb += cover * (np.asarray(colour, np.float32) - self.rgb)
        self.alpha += mask * (1 - self.alpha)

    def tint(self, mask: Floats, colour: ArrayLike) -> None:
        """Like `paint`, but only on what has been painted already."""
        cover = mask[..., None]
        self.rgb += cover * (np.asarray(colour, np.float32) * self.alpha[..., None] - self.rgb)

    def as_bytes(self) -> Bytes:
        """Premultiplied RGBA `[S, S, 4]`."""
        picture = np.dstack([self.rgb, self.alpha * 255])
        return np.clip(np.round(picture), 0, 255).astype(np.uint8)


class Patch:
    """A part of an RGBA layer to draw on in units, where the layer is opaque.

    Args:
        layer: Premultiplied RGBA `[S, S, 4]`; changed by what is drawn on `picture`.
        scale: Pixels per unit.
        left: Left edge of the part in units.
        top: Its upper edge.
        wide: Its width.
        high: Its height.
    """

    def __init__(self, layer: Bytes, scale: float, *, left: float, top: float, wide: float, high: float) -> None:
        self.scale = scale
        first_x, first_y = int(left * scale), int(top * scale)
        self._origin = (first_x / scale, first_y / scale)
        self.picture = layer[first_y : int((top + high) * scale) + 1, first_x : int((left + wide) * scale) + 1]

    def blank(self, colour: Colour) -> Bytes:
        """A plain picture of the same size."""
        return np.full(self.picture.shape, (*colour, 255), np.uint8)

    def fill(self, picture: Bytes, outline: Points, colour: Colour, *, opacity: float = 1.0) -> None:
        """Fill an outline on a picture of this size, letting 1 - opacity of what is below shine through."""
        covered = picture if opacity >= 1 else picture.copy()
        fill(covered, outline, (*colour, 255), scale=self.scale, origin=self._origin)
        if opacity < 1:
            cv2.addWeighted(covered, opacity, picture, 1 - opacity, 0, dst=picture)

    def oval(self, picture: Bytes, centre: tuple[float, float], radii: tuple[float, float], colour: Colour) -> None:
        """Draw a filled ellipse on a picture of this size."""
        angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        outline = np.stack([np.cos(angle) * radii[0], np.sin(angle) * radii[1]], axis=1)
        self.fill(picture, moved(outline, *centre), colour)

    def show_through(self, below: Bytes, outline: Points) -> None:
        """Cut a hole of this outline, behind which the picture `below` is seen."""
        hole = np.zeros(self.picture.shape[:2], np.uint8)
        fill(hole, outline, (255,), scale=self.scale, origin=self._origin)
        weight = hole.astype(np.float32) * np.float32(1 / 255)
        self.picture[:] = cv2.blendLinear(below, self.picture.copy(), weight, 1 - weight)

    def soften(self, picture: Bytes, radius: float) -> None:
        """Blur a picture of this size a little, in place."""
        picture[:] = cv2.GaussianBlur(picture, (0, 0), max(0.3, radius * self.scale))
