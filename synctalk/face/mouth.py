"""The drawn mouth: lips as a function of opening and width, and what is seen between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synctalk.face.canvas import CENTRE_X, Bytes, Colour, Patch, Points, moved, times
from synctalk.face.portrait import MOUTH_Y, Portrait

FULL_GAP = 40.0
"""Distance between the inner lips at opening 1, in units: a third of the distance of the outer eye corners."""
UPPER_SHARE = 0.12
"""How much of the gap comes from the upper lip; the rest is the jaw."""


@dataclass(frozen=True)
class Lips:
    """Edges of both lips from the left corner to the right one, each `[K, 2]` in units."""

    upper_outer: Points
    upper_inner: Points
    lower_inner: Points
    lower_outer: Points


def gap_at(opening: float) -> float:
    """Distance between the inner lips in units; small openings are drawn a little wider, or nobody would see them."""
    return float(FULL_GAP * (opening + 0.8 * opening * np.exp(-opening / 0.12)))


def lips_at(opening: float, width: float) -> Lips:
    """The lips at an opening (0 shut, 1 wide open) and a width (0 rounded, 1 spread)."""
    across = np.linspace(-1, 1, 41)
    gap = gap_at(opening)
    half = 25 + 15 * width - 4 * opening * width
    thick = 1.22 - 0.34 * width
    corner_y = MOUTH_Y - 3.5 - 3.5 * width + 0.24 * gap
    arch = np.sqrt(1 - across**2)
    line = MOUTH_Y + (corner_y - MOUTH_Y) * across**2
    bow = 1 - 0.26 * np.exp(-np.square(across / 0.13)) + 0.06 * np.exp(-np.square((np.abs(across) - 0.28) / 0.2))
    rest = 0.9 * np.exp(-np.square(across / 0.2)) - 0.5 * np.exp(-np.square((np.abs(across) - 0.45) / 0.2))
    seam = line + rest * (1 - opening)
    upper_inner = seam - (UPPER_SHARE * gap + 0.24 * gap * across**2) * arch
    lower_inner = seam + (1 - UPPER_SHARE) * gap * arch
    upper_outer = np.minimum(upper_inner, line) - (10.0 - 1.5 * opening) * thick * arch**1.25 * bow
    lower_outer = lower_inner + (13.0 - 2.5 * opening) * thick * arch**1.1
    x, inner_x = CENTRE_X + half * across, CENTRE_X + half * (0.96 - 0.08 * min(1.0, 6 * opening)) * across
    edges = ((x, upper_outer), (inner_x, upper_inner), (inner_x, lower_inner), (x, lower_outer))
    return Lips(*(np.stack(edge, axis=1) for edge in edges))


def draw_mouth(head: Bytes, portrait: Portrait, *, opening: float, width: float) -> None:
    """Draw the mouth on the head layer, in place, where `Portrait.head` left it out."""
    lips = lips_at(opening, width)
    patch = Patch(head, portrait.scale, left=CENTRE_X - 56, top=MOUTH_Y - 30, wide=112, high=96)
    mix = np.asarray(portrait.palette.skin, np.float64) * 0.42 + np.array((196, 84, 84)) * 0.52
    red = (int(mix[0]), int(mix[1]), int(mix[2]))
    inside = np.vstack([lips.upper_inner, lips.lower_inner[::-1]])
    if opening > 0.01:
        patch.show_through(_cavity(patch, opening), inside)
    _draw_lip(patch, lips.upper_outer, lips.upper_inner, times(red, 0.88), gloss=0.18)
    _draw_lip(patch, lips.lower_inner, lips.lower_outer, times(red, 1.06), gloss=0.62)
    seam = np.vstack([moved(lips.upper_inner, 0, -0.5), moved(lips.lower_inner[::-1], 0, 0.6)])
    if opening < 0.08:
        patch.fill(patch.picture, seam, (92, 36, 38), opacity=0.85 * (1 - opening / 0.08))
    patch.soften(patch.picture, 0.55)


def _draw_lip(patch: Patch, top: Points, bottom: Points, colour: Colour, *, gloss: float) -> None:
    """One lip: a dark rim, its colour, and a lighter belly in three steps."""
    middle = 0.5 * (top + bottom)
    patch.fill(patch.picture, np.vstack([top, bottom[::-1]]), times(colour, 0.86), opacity=0.96)
    for step in (0.78, 0.56, 0.36):
        belly = np.vstack([middle + (top - middle) * step, (middle + (bottom - middle) * step)[::-1]])
        squeezed = CENTRE_X + (belly[:, 0] - CENTRE_X) * (0.62 + 0.4 * step)
        lighter = times(colour, 1.0 + gloss * (0.78 - step) * 0.9)
        patch.fill(patch.picture, np.stack([squeezed, belly[:, 1]], axis=1), lighter, opacity=0.75)


def _cavity(patch: Patch, opening: float) -> Bytes:
    """What is behind the lips: darkness, tongue, lower teeth that go with the jaw, upper teeth that stay."""
    gap = gap_at(opening)
    drop = gap * (1 - UPPER_SHARE)
    inside = patch.blank((50, 14, 18))
    tongue_y = MOUTH_Y + drop + 9 - 7 * min(1.0, opening / 0.5)
    patch.oval(inside, (CENTRE_X, tongue_y), (19, 4 + 9 * opening), (160, 70, 74))
    patch.oval(inside, (CENTRE_X, tongue_y + 2), (15, 3 + 6 * opening), (184, 90, 92))
    lower = MOUTH_Y + drop - 1.5
    lower_share = min(0.9, max(0.0, 4 * opening - 1.4))
    patch.fill(inside, _teeth(top=lower, bottom=lower + 8, half=19), (214, 206, 196), opacity=lower_share)
    edge = MOUTH_Y - UPPER_SHARE * gap + min(0.5 * gap, 9.0)
    light = min(1.0, 0.3 + opening / 0.6)
    patch.fill(inside, _teeth(top=MOUTH_Y - 9, bottom=edge, half=24), times((238, 234, 226), light))
    shade = moved([(-40, -12), (40, -12), (40, 1.2), (0, 0.6), (-40, 1.2)], CENTRE_X, MOUTH_Y - UPPER_SHARE * gap)
    patch.fill(inside, shade, (84, 46, 46), opacity=0.6)
    patch.soften(inside, 0.8)
    return inside


def _teeth(*, top: float, bottom: float, half: float) -> Points:
    """A row of teeth with rounded ends."""
    across = np.linspace(-1, 1, 17)
    edge = np.stack([CENTRE_X + half * across, bottom - 4 * across**4], axis=1)
    return np.vstack([[(CENTRE_X - half, top), (CENTRE_X + half, top)], edge[::-1]])
