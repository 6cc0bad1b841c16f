"""The moving parts of the drawn presenter: pose, jaw, eyes, mouth, light and camera noise of one frame.

Everything is a pure function of (seed, frame, opening, width); nothing is remembered between frames. Lengths are in
the units of `canvas`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from synctalk.config import FPS
from synctalk.face.canvas import CENTRE_X, Bytes, Colour, Floats, Patch, Points, moved, times
from synctalk.face.mouth import UPPER_SHARE, draw_mouth, gap_at
from synctalk.face.portrait import BUST_TOP_Y, EYE_HALF, EYE_X, EYE_Y, Portrait

_PIVOT = (CENTRE_X, 452.0)
_JAW_BOX = (290, 480, 130, 382)  # top, bottom, left, right of all that the jaw moves
_BLINK_S = 0.16


@dataclass(frozen=True)
class Pose:
    """Where the head is and what the eyes do in one frame.

    Attributes:
        shift: Of the head, to the right and down, in units.
        roll_deg: Rotation in the picture.
        scale: Nearness, about 1.
        gaze: Shift of the irises in units.
        lid: How far the eyes are shut, 0..1.
        light: Brightness factor, about 1.
    """

    shift: tuple[float, float]
    roll_deg: float
    scale: float
    gaze: tuple[float, float]
    lid: float
    light: float


def pose_at(frame: int, seed: int) -> Pose:
    """The pose of one frame: slow sums of waves, blinks every few seconds."""
    time_s = frame / FPS
    sway = _waves(seed)
    x, y, roll, near, light = (float(row) for row in np.sin(sway[0] * time_s + sway[1]).mean(axis=1))
    return Pose(
        shift=(11 * x, 6 * y),
        roll_deg=3.2 * roll,
        scale=1 + 0.03 * near,
        gaze=_gaze_at(time_s, seed),
        lid=_lid_at(time_s, seed),
        light=1 + 0.05 * light,
    )


@lru_cache(maxsize=16)
def _waves(seed: int) -> NDArray[np.float64]:
    """Angular speeds and beginnings of three waves for each of five motions, `[2, 5, 3]`; light is the slowest."""
    random = np.random.default_rng([seed, 0x5AA1])
    periods_s = random.uniform((2.5, 4.0, 7.0), (4.0, 7.0, 13.0), (5, 3))
    periods_s[4] *= 3
    return np.stack([2 * np.pi / periods_s, random.uniform(0, 2 * np.pi, (5, 3))])


def _lid_at(time_s: float, seed: int) -> float:
    """0 open, 1 shut: one blink in each 3-second window, at a moment of its own."""
    window = int(time_s // 3.0)
    moment = 3.0 * window + np.random.default_rng([seed, 0xB114, window]).uniform(0.3, 2.7)
    return float(np.clip(1.35 * (1 - abs(time_s - moment) / _BLINK_S), 0.0, 1.0))


def _gaze_at(time_s: float, seed: int) -> tuple[float, float]:
    """Small jumps of the eyes, about every 1.4 seconds, mostly at the camera."""
    random = np.random.default_rng([seed, 0x6A2E, int(time_s // 1.4)])
    x, y = random.normal(0, (0.9, 0.4))
    return float(np.clip(x, -2, 2)), float(np.clip(y, -1, 1))


def compose(portrait: Portrait, pose: Pose, *, opening: float, width: float, has_face: bool = True) -> Bytes:
    """One frame as nobody's camera would see it: without noise and change of light.

    Args:
        portrait: Who.
        pose: Where the head is and what the eyes do.
        opening: Of the mouth, 0..1.
        width: Of the mouth, 0..1.
        has_face: False when the portrait is turned away.

    Returns:
        RGB uint8 `[S, S, 3]`.
    """
    scale = portrait.scale
    head = portrait.head.copy()
    if has_face:
        _drop_jaw(head, portrait, opening)
        _draw_eyes(head, portrait, pose)
        draw_mouth(head, portrait, opening=opening, width=width)
    frame = portrait.wall.copy()
    _lay_over(frame, head, _pose_matrix(pose, scale, share=1.0))
    top = int(BUST_TOP_Y * scale)
    shift = _pose_matrix(pose, scale, share=0.35)
    shift[:, 2] += shift[:, 1] * top - (0, top)
    _lay_over(frame[top:], portrait.bust[top:], shift)
    return frame


def expose(frame: Bytes, *, light: float, seed: int, number: int) -> Bytes:
    """The frame as a camera would give it: brightness and a little sensor noise, other in every frame."""
    grain = _grain(frame.shape[1], seed)
    top = int(np.random.default_rng([seed, 0x6817, number]).integers(grain.shape[0] - frame.shape[0]))
    piece = grain[top : top + frame.shape[0]]
    return np.asarray(cv2.addWeighted(frame, light, piece, 1.0, -128.0), dtype=np.uint8)


@lru_cache(maxsize=4)
def _grain(width_px: int, seed: int) -> Bytes:
    """A tall sheet of noise around 128, from which each frame cuts its piece."""
    random = np.random.default_rng([seed, 0x6014])
    noise = random.normal(128, 1.6, (3 * width_px, width_px, 3))
    return np.asarray(np.round(noise), dtype=np.uint8)


def _pose_matrix(pose: Pose, scale: float, *, share: float) -> NDArray[np.float64]:
    """Pixel-to-pixel similarity of a layer that follows the head by `share`."""
    near = 1 + (pose.scale - 1) * share
    pivot = (_PIVOT[0] * scale - 0.5, _PIVOT[1] * scale - 0.5)
    matrix = np.asarray(cv2.getRotationMatrix2D(pivot, pose.roll_deg * share, near), dtype=np.float64)
    matrix[:, 2] += np.asarray(pose.shift) * (scale * share)
    return matrix


def _lay_over(frame: Bytes, layer: Bytes, matrix: NDArray[np.float64]) -> None:
    """Cover `frame` with a premultiplied layer that `matrix` puts in its place; changes `frame`."""
    size = (layer.shape[1], layer.shape[0])
    placed = cv2.warpAffine(layer, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    clear = cv2.bitwise_not(placed[..., 3])
    under = cv2.multiply(frame, cv2.merge([clear, clear, clear]), scale=1 / 255)
    cv2.add(under, cv2.cvtColor(placed, cv2.COLOR_RGBA2RGB), dst=frame)


def _drop_jaw(head: Bytes, portrait: Portrait, opening: float) -> None:
    """Move chin and lower cheeks of the head layer down by the opening, in place."""
    top, bottom, left, right = (int(edge * portrait.scale) for edge in _JAW_BOX)
    area = (slice(top, bottom), slice(left, right))
    columns, rows = _grid(head.shape[0])
    drop = np.float32(gap_at(opening) * (1 - UPPER_SHARE) * portrait.scale)
    head[area] = cv2.remap(portrait.head, columns[area], rows[area] - drop * portrait.jaw[area], cv2.INTER_LINEAR)


@lru_cache(maxsize=4)
def _grid(size_px: int) -> tuple[Floats, Floats]:
    """Column and row numbers of every pixel."""
    columns, rows = np.meshgrid(np.arange(size_px, dtype=np.float32), np.arange(size_px, dtype=np.float32))
    return columns, rows


def _draw_eyes(head: Bytes, portrait: Portrait, pose: Pose) -> None:
    for side in (-1, 1):
        patch = Patch(head, portrait.scale, left=CENTRE_X + side * EYE_X - 28, top=EYE_Y - 18, wide=56, high=34)
        _draw_eye(patch, portrait.palette.iris, pose, side=side)


def _draw_eye(patch: Patch, iris: Colour, pose: Pose, *, side: int) -> None:
    """Eyeball behind the lids, then lashes and crease."""
    upper, lower = _lids(pose.lid, side=side)
    gaze_x, gaze_y = pose.gaze
    centre = (CENTRE_X + side * EYE_X + gaze_x, EYE_Y - 1.5 + gaze_y)
    ball = patch.blank((238, 234, 230))
    patch.oval(ball, centre, (10.6, 10.6), times(iris, 0.45))
    patch.oval(ball, centre, (9.6, 9.6), iris)
    patch.oval(ball, (centre[0], centre[1] + 2.6), (5.8, 5.8), times(iris, 1.35))
    patch.oval(ball, centre, (4.7, 4.7), (18, 14, 14))
    patch.oval(ball, (centre[0] - 3.0, centre[1] - 3.4), (1.9, 1.9), (250, 250, 250))
    shadow = np.vstack([moved(upper, 0, -4), moved(upper[::-1], 0, 2.6)])
    patch.fill(ball, shadow, (150, 138, 134), opacity=0.45)
    patch.show_through(ball, np.vstack([upper, lower[::-1]]))
    lash = np.vstack([moved(upper, 0, -1.6), moved(upper[::-1], 0, 1.0)])
    patch.fill(patch.picture, lash, (44, 30, 28), opacity=0.92)
    patch.fill(patch.picture, np.vstack([lower, moved(lower[::-1], 0, 0.9)]), (96, 62, 54), opacity=0.5)


def _lids(lid: float, *, side: int) -> tuple[Points, Points]:
    """Edges of the upper and the lower lid of one eye, `[15, 2]` each, from the left to the right."""
    across = np.linspace(-1, 1, 15)
    x = CENTRE_X + side * EYE_X + EYE_HALF * across
    arch = (1 - across**2) ** 0.8
    corner = EYE_Y + 1.5 - 0.5 * across * side
    low = corner + 6.0 * (1 - 0.25 * lid) * arch
    high = corner - 12.0 * arch * (1 - lid) + 4.5 * arch * lid
    return np.stack([x, np.minimum(high, low)], axis=1), np.stack([x, low], axis=1)
