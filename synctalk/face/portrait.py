"""The drawn presenter at rest: wall, bust, head with closed eyes, and the field along which the jaw drops.

Everything that does not change from frame to frame is painted here once and kept; `drawing` moves it. Nobody is
portrayed: every colour and length is made up. Lengths are in units of 1/512 of the frame width, layers are
premultiplied RGBA.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike

from synctalk.face.canvas import (
    CENTRE_X,
    UNITS,
    Bytes,
    Colour,
    Floats,
    Layer,
    Points,
    curve_through,
    draw_line,
    moved,
    shaded,
    times,
)

Outline = tuple[tuple[float, float], ...]

EYE_Y = 214.0
EYE_X = 40.5
EYE_HALF = 19.5
EYE_SPAN = 2 * (EYE_X + EYE_HALF)
MOUTH_Y = 314.0
JAW_TOP_Y = 296.0
CHIN_Y = 380.0
NECK_END_Y = 468.0
BUST_TOP_Y = 430.0

_SKINS: tuple[Colour, ...] = ((244, 204, 178), (229, 178, 146), (202, 148, 113), (164, 113, 82), (236, 190, 164))
_HAIRS: tuple[Colour, ...] = ((58, 40, 32), (36, 30, 32), (112, 72, 44), (150, 104, 62), (88, 50, 36))
_SHIRTS: tuple[Colour, ...] = ((52, 92, 128), (60, 110, 98), (122, 66, 84), (82, 84, 116), (176, 110, 66))
_WALLS: tuple[Colour, ...] = ((206, 214, 220), (214, 208, 196), (196, 210, 202), (208, 202, 214))
_IRISES: tuple[Colour, ...] = ((92, 62, 40), (74, 108, 128), (84, 110, 74), (70, 50, 38))

# Right half of each outline as (distance from the centre line, y), top to bottom.
_FACE = (
    *((0, 98), (42, 106), (72, 132), (86, 172), (89, 214), (87, 254)),
    *((81, 292), (69, 328), (51, 356), (27, 374), (0, 380)),
)
_NECK = ((0, 300), (46, 318), (50, 360), (50, 408), (58, 436), (92, 456), (96, 500), (0, 500))
_CAP = ((0, 54), (52, 66), (86, 96), (101, 142), (101, 182), (95, 216), (88, 232))
_CAP_SIDE = ((85, 214), (82, 186), (78, 164))
_CAP_FRINGE = ((66, 146), (42, 130), (12, 121), (-18, 115), (-44, 122), (-66, 146))
_BOB = (
    *((0, 50), (54, 62), (92, 96), (112, 148), (119, 206), (124, 270)),
    *((126, 330), (118, 374), (88, 394), (40, 392), (0, 388)),
)
_BOB_SIDE = ((104, 392), (90, 378), (95, 330), (92, 280), (87, 230), (84, 190), (76, 164))
_BOB_FRINGE = ((60, 146), (34, 122), (8, 106), (-12, 107), (-36, 124), (-60, 148))
_BACK = ((0, 54), (52, 64), (90, 94), (110, 140), (112, 210), (104, 280), (88, 340), (58, 384), (0, 394))
_SHOULDERS = ((0, 462), (58, 448), (84, 446), (136, 462), (196, 484), (238, 508), (262, 560), (262, 620), (0, 620))
_EAR = ((78, 200), (93, 190), (105, 200), (105, 224), (98, 246), (88, 258), (80, 250))
_BROW = ((20, 187), (36, 180), (54, 180), (72, 191), (54, 185), (37, 186), (21, 193))


@dataclass(frozen=True)
class Palette:
    """The colours (RGB) and the haircut of one presenter."""

    skin: Colour
    hair: Colour
    shirt: Colour
    wall: Colour
    iris: Colour
    has_long_hair: bool


@dataclass(frozen=True, eq=False)
class Portrait:
    """What stays the same in every frame of one presenter.

    Attributes:
        palette: Colours.
        scale: Pixels per unit.
        wall: RGB background `[S, S, 3]`.
        head: Hair, ears, neck and face with closed eyes and without lips, premultiplied RGBA `[S, S, 4]`.
        bust: Shirt, premultiplied RGBA `[S, S, 4]`.
        jaw: How much each pixel of `head` goes down with the jaw, 0..1, `[S, S]`.
    """

    palette: Palette
    scale: float
    wall: Bytes
    head: Bytes
    bust: Bytes
    jaw: Floats


def choose_palette(seed: int) -> Palette:
    """The looks of presenter `seed`."""
    random = np.random.default_rng([seed, 0x10C5])

    def pick(colours: tuple[Colour, ...]) -> Colour:
        return colours[int(random.integers(len(colours)))]

    return Palette(pick(_SKINS), pick(_HAIRS), pick(_SHIRTS), pick(_WALLS), pick(_IRISES), bool(random.integers(2)))


@lru_cache(maxsize=8)
def paint_portrait(seed: int, size_px: int, *, is_turned_away: bool = False) -> Portrait:
    """Paint presenter `seed` at `size_px`; turned away, only the back of the head is seen."""
    palette = choose_palette(seed)
    random = np.random.default_rng([seed, 0xFACE])
    head = Layer(size_px)
    if is_turned_away:
        _paint_neck(head, palette)
        _paint_hair(head, _closed(_BACK), palette.hair, random)
    else:
        _paint_head(head, palette, random)
    portrait = Portrait(
        palette=palette,
        scale=size_px / UNITS,
        wall=_paint_wall(size_px, palette.wall),
        head=head.as_bytes(),
        bust=_paint_bust(size_px, palette.shirt),
        jaw=_jaw_field(size_px),
    )
    for shared in (portrait.wall, portrait.head, portrait.bust, portrait.jaw):
        shared.flags.writeable = False
    return portrait


def _mirrored(half: Outline) -> list[tuple[float, float]]:
    """Points of a whole outline from its right half."""
    left = [(CENTRE_X - dx, y) for dx, y in reversed(half) if dx > 0]
    return [(CENTRE_X + dx, y) for dx, y in half] + left


def _closed(half: Outline) -> Points:
    return curve_through(_mirrored(half))


def _paint_wall(size_px: int, colour: Colour) -> Bytes:
    layer = Layer(size_px)
    layer.paint(np.ones((size_px, size_px), np.float32), colour)
    layer.paint(0.55 * layer.spot(-40, 190, 190, 190), shaded(colour, 1.7))
    layer.paint(0.35 * (1 - layer.spot(0, 230, 330, 330)), shaded(colour, 0.6))
    return layer.as_bytes()[..., :3].copy()


def _paint_bust(size_px: int, colour: Colour) -> Bytes:
    layer = Layer(size_px)
    layer.paint(layer.mask(_closed(_SHOULDERS)), colour)
    layer.tint(0.5 * layer.spot(-120, 470, 70, 26), shaded(colour, 1.25))
    layer.tint(0.6 * layer.spot(190, 530, 80, 50), shaded(colour, 0.6))
    for side in (-1, 1):
        flap = [(0, 500), (side * 30, 478), (side * 64, 440), (side * 84, 442), (side * 78, 478), (side * 46, 520)]
        outline = moved(flap, CENTRE_X, 0)
        layer.tint(0.55 * layer.mask(moved(outline, side * 3, 6), blur=4), shaded(colour, 0.45))
        layer.paint(layer.mask(outline), shaded(colour, 1.12))
    return layer.as_bytes()


def _paint_neck(layer: Layer, palette: Palette) -> None:
    neck = layer.mask(_closed(_NECK))
    layer.paint(neck, shaded(palette.skin, 0.9))
    inside = _Shading(layer, neck)
    inside.add(0.7, (0, 372, 60, 34), shaded(palette.skin, 0.62))
    inside.add(0.25, (-14, 425, 12, 18), shaded(palette.skin, 1.2))
    for side in (-1, 1):
        inside.add(0.5, (side * 52, 400, 12, 60), shaded(palette.skin, 0.6))


def _paint_head(layer: Layer, palette: Palette, random: np.random.Generator) -> None:
    """Back hair, ears, neck, face, front hair: in the order in which they hide each other."""
    if palette.has_long_hair:
        _paint_hair(layer, _closed(_BOB), times(palette.hair, 0.62), random)
    _paint_neck(layer, palette)
    if not palette.has_long_hair:
        _paint_ears(layer, palette.skin)
    _paint_face(layer, palette)
    cut = (_BOB[:8], _BOB_SIDE, _BOB_FRINGE) if palette.has_long_hair else (_CAP, _CAP_SIDE, _CAP_FRINGE)
    _paint_hair(layer, curve_through(_band(*cut)), palette.hair, random)


def _band(outer: Outline, side: Outline, fringe: Outline) -> list[tuple[float, float]]:
    """Outline of the front hair: outer edge, inner side and uneven fringe, then the other side back."""
    right = [(CENTRE_X + dx, y) for dx, y in outer + side + fringe]
    left = [(CENTRE_X - dx, y) for dx, y in reversed(outer + side) if dx > 0]
    return right + left


def _paint_ears(layer: Layer, skin: Colour) -> None:
    for side in (-1, 1):
        layer.paint(layer.mask(curve_through([(CENTRE_X + side * dx, y) for dx, y in _EAR])), shaded(skin, 0.9))
        layer.tint(0.6 * layer.spot(side * 96, 220, 3.5, 14), shaded(skin, 0.62))


def _paint_face(layer: Layer, palette: Palette) -> None:
    skin = palette.skin
    face = layer.mask(_closed(_FACE))
    layer.tint(0.45 * layer.mask(moved(_closed(_FACE), 3, 14), blur=9), shaded(skin, 0.3))
    layer.paint(face, _lit_skin(layer, skin))
    inside = _Shading(layer, face)
    inside.add(0.30, (0, 150, 44, 22), shaded(skin, 1.35))
    inside.add(0.34, (0, 366, 20, 9), shaded(skin, 1.3))
    inside.add(0.42, (0, 346, 24, 5), shaded(skin, 0.66))
    blush = (skin[0] * 0.96, skin[1] * 0.66, skin[2] * 0.62)
    for side in (-1, 1):
        inside.add(0.34, (side * 54, 264, 19, 15), blush)
        inside.add(0.26, (side * 56, 248, 15, 8), shaded(skin, 1.35))
        inside.add(0.50, (side * 40, 202, 22, 9), shaded(skin, 0.74))
        inside.add(0.26, (side * 40, 232, 20, 5), shaded(skin, 0.72))
    _paint_nose(inside, skin)
    _paint_brows(layer, palette)


def _lit_skin(layer: Layer, skin: Colour) -> Floats:
    """Skin on an egg-shaped head lit from the upper left."""
    across, down = layer.x / 104, (layer.y - 226) / 190
    facing = np.sqrt(np.clip(1 - across**2 - down**2, 0, 1))
    light = np.clip(0.08 + 0.86 * facing - 0.30 * across - 0.24 * down, 0, 1)[..., None]
    dark, bright = np.asarray(shaded(skin, 0.62), np.float32), np.asarray(shaded(skin, 1.12), np.float32)
    return np.asarray(dark + (bright - dark) * light, dtype=np.float32)


class _Shading:
    """Soft spots that stay inside what has just been painted."""

    def __init__(self, layer: Layer, area: Floats) -> None:
        self.layer = layer
        self.area = area

    def add(self, strength: float, spot: tuple[float, float, float, float], colour: ArrayLike) -> None:
        """Tint with a spot of `strength` given as (x, y, rx, ry), see `Layer.spot`."""
        self.layer.tint(strength * self.layer.spot(*spot) * self.area, colour)


def _paint_nose(inside: _Shading, skin: Colour) -> None:
    inside.add(0.40, (-1, 236, 5, 28), shaded(skin, 1.4))
    inside.add(0.34, (12, 244, 6, 26), shaded(skin, 0.7))
    inside.add(0.16, (-13, 240, 5, 24), shaded(skin, 0.74))
    inside.add(0.48, (0, 289, 20, 6), shaded(skin, 0.62))
    inside.add(0.55, (-2, 268, 8, 7), shaded(skin, 1.45))
    inside.add(0.26, (0, 300, 4, 6), shaded(skin, 0.72))
    for side in (-1, 1):
        inside.add(0.42, (side * 19, 276, 4, 9), shaded(skin, 0.66))
        inside.add(0.85, (side * 9.5, 283, 4.6, 2.6), shaded(skin, 0.3))


def _paint_brows(layer: Layer, palette: Palette) -> None:
    for side in (-1, 1):
        outline = curve_through([(CENTRE_X + side * dx, y) for dx, y in _BROW])
        layer.tint(0.8 * layer.mask(outline, blur=1.1), times(palette.hair, 0.9))


def _paint_hair(layer: Layer, outline: Points, colour: Colour, random: np.random.Generator) -> None:
    """A mass of hair with strands that run down from the crown, shiny on the lit side."""
    area = layer.mask(outline)
    below = np.clip(layer.mask(moved(outline, 0, 7), blur=5) - area, 0, 1)
    layer.tint(0.45 * below, times(colour, 0.5))
    strands = _strands(layer.size_px, layer.scale, random)
    gloss = 0.5 * layer.spot(-38, 104, 44, 22) + 0.25 * layer.spot(60, 120, 26, 22)
    tone = (0.62 + 0.5 * strands + 0.9 * gloss * (0.4 + strands))[..., None]
    shine = np.asarray(colour, np.float32) * tone + 26 * (gloss * strands)[..., None]
    layer.paint(area, np.clip(shine, 0, 255))


def _strands(size_px: int, scale: float, random: np.random.Generator) -> Floats:
    """Light and dark strands, 0..1, fanning out from the crown."""
    canvas = np.full((size_px, size_px), 128, np.uint8)
    crown = np.array([CENTRE_X - 10, 78.0])
    along = np.linspace(0, 1, 14)[:, None]
    for _ in range(260):
        angle = random.uniform(-1.45, 1.45)
        length = 40 + 300 * np.cos(angle) ** 2 * random.uniform(0.4, 1)
        end = crown + np.array([150 * np.sin(angle), length])
        bow = np.array([np.sign(angle) * 34 * abs(np.sin(angle)), -46.0])
        path = crown + (end - crown) * along + bow * (4 * along * (1 - along))
        draw_line(canvas, path, int(random.integers(30, 235)), scale=scale, thickness_px=1 + int(2 * scale))
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.6 + 0.8 * scale).astype(np.float32) / 255)


def _jaw_field(size_px: int) -> Floats:
    """1 from the lower lip to the chin, 0 above the lips, at the cheeks and at the end of the neck."""
    layer = Layer(size_px)
    opens = _smooth_step((layer.y - JAW_TOP_Y) / 44)
    holds = 1 - _smooth_step((layer.y - (CHIN_Y + 26)) / (NECK_END_Y - CHIN_Y - 20))
    centre = 1 - _smooth_step((np.abs(layer.x) - 34) / 78)
    return np.asarray(opens * holds * centre, dtype=np.float32)


def _smooth_step(value: Floats) -> Floats:
    clipped = np.clip(value, 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), dtype=np.float32)
