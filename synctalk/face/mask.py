"""What the mouth generator must not see, where errors weigh most, and how its picture fades into the frame.

The hidden part covers the whole path of the jaw over a recording, some of the neck below, and whatever else in the
recording moves with the mouth (`find_giveaways`): a chin, a cheek, a collar or a shadow left in sight tells how far the
mouth is open, and a network that can read it there never learns to listen. Less is pasted back than was hidden: the
jaw's path with a soft border. All masks are the same in every frame and travel with the checkpoint, so training and
rendering cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synctalk.face.opening import LIPS, OUTER_LIPS

JAW = (132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361)
"""MediaPipe's numbers along the lower edge of the face, from one ear lobe over the chin to the other."""
NOSE_BASE = (98, 2, 327)
NOSE_TIP = 4
LIP_POINTS = (*LIPS, 152)
"""What speech moves: lips and chin."""

Mask = NDArray[np.bool_]
Share = NDArray[np.float32]
Points = NDArray[np.float32] | NDArray[np.float64]

# Lengths as parts of the crop's side.
_FEATHER = 0.06
_NECK = 0.05
_ABOVE_LIPS = 0.02
_MOUTH_MARGIN = 0.03
_EDGE_PX = 2
_FRAMES_PER_SLIP = 2000
"""What is covered in no more than one of so many frames is a slip of the detector, not the jaw."""

_GIVEAWAY_PX = 64
"""Side of the pictures in which giveaways are looked for."""
_GIVEAWAY_GAP = 3
"""Frames between two pictures that are compared: as fast as a mouth moves, faster than a head."""
_MOST_PAIRS = 2000
_SQUARE_3: Any = np.ones((3, 3), np.uint8)
_SQUARE_5: Any = np.ones((5, 5), np.uint8)
_GIVEAWAY_CORRELATION = 0.2
_CHANCE_CORRELATION = 3.5
"""Times one over the square root of the number of pairs: what chance alone hardly ever reaches."""


@dataclass(frozen=True, eq=False)
class FaceMasks:
    """Three maps of the crop.

    Attributes:
        hidden: What is taken out of the target before the network sees it, and drawn anew `[S, S]`.
        mouth: How much each pixel belongs to the mouth's path, 0..1 `[S, S]`.
        alpha: Share of the network's picture when pasting back: 1 over the path of jaw and lips, 0 outside `hidden`
            and along the edges of the crop `[S, S]`.
    """

    hidden: Mask
    mouth: Share
    alpha: Share


def face_masks(points: Points, *, size_px: int, giveaways: Mask | None = None) -> FaceMasks:
    """The masks for everything the jaw does in a recording.

    Args:
        points: In crop pixels, of the usable frames only (finite); at least one.
        size_px: S.
        giveaways: What else moves with the mouth `[S, S]`; hidden too, from the tip of the nose down.

    Shape:
        points `[N, 478, 2]`.
    """
    jaw = _path(points[:, JAW + NOSE_BASE + OUTER_LIPS], size_px=size_px)
    lips = _path(points[:, OUTER_LIPS], size_px=size_px)
    lip_top = float(points[:, OUTER_LIPS, 1].min())
    top = min(float(np.median(points[:, NOSE_BASE, 1])), lip_top - _ABOVE_LIPS * size_px)
    rows = np.arange(size_px)[:, None]
    feather_px = _FEATHER * size_px
    reach = _below(_widened(jaw, feather_px), _NECK * size_px) & _inner(size_px)
    pasted = reach & (rows >= np.floor(top))
    hidden = pasted if giveaways is None else pasted | (giveaways & (rows >= np.median(points[:, NOSE_TIP, 1])))
    from_side = cv2.distanceTransform(reach.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    sideways = np.clip(from_side / feather_px, 0, 1)
    downwards = np.clip((rows - np.floor(top)) / min(feather_px, max(lip_top - top - 1, 1.0)), 0, 1)
    return FaceMasks(
        hidden=hidden,
        mouth=_blurred(_widened(lips, _MOUTH_MARGIN * size_px), _MOUTH_MARGIN * size_px),
        alpha=(_smooth(sideways) * _smooth(downwards) * pasted).astype(np.float32),
    )


def find_giveaways(crops: NDArray[np.uint8], openings: NDArray[np.float64]) -> Mask:
    """Where the pictures change together with the opening of the mouth.

    Pairs of frames a few frames apart are compared: the correlation, at each place, of the change in brightness with
    the change of the opening.

    Args:
        crops: `[N, S, S, 3]`.
        openings: Of the mouth, one per frame; NaN where there is no face `[N]`.

    Returns:
        `[S, S]`; nothing in a recording too short to tell.
    """
    firsts = np.flatnonzero(np.isfinite(openings[_GIVEAWAY_GAP:]) & np.isfinite(openings[:-_GIVEAWAY_GAP]))
    firsts = firsts[:: -(-len(firsts) // _MOST_PAIRS) or 1]
    if len(firsts) < (_CHANCE_CORRELATION / _GIVEAWAY_CORRELATION) ** 2:
        return np.zeros(crops.shape[1:3], bool)
    changes = np.stack([_small(crops[first + _GIVEAWAY_GAP]) - _small(crops[first]) for first in firsts])
    moves = openings[firsts + _GIVEAWAY_GAP] - openings[firsts]
    moves -= moves.mean()
    changes -= changes.mean(axis=0)
    spread = np.sqrt((changes**2).sum(axis=0) * (moves**2).sum()) + 1e-6
    correlation = np.abs(np.tensordot(moves, changes, axes=1)) / spread  # [64, 64]
    least = max(_GIVEAWAY_CORRELATION, _CHANCE_CORRELATION / np.sqrt(len(firsts)))
    found: Any = (correlation > least).astype(np.uint8)
    found = cv2.dilate(cv2.morphologyEx(found, cv2.MORPH_CLOSE, _SQUARE_5), _SQUARE_3)
    return np.asarray(cv2.resize(found, crops.shape[1:3], interpolation=cv2.INTER_NEAREST), bool)


def _path(points: Points, *, size_px: int) -> Mask:
    """Where the convex hull of the points is in any frame (less the slips of the detector)."""
    counts = np.zeros((size_px, size_px), np.int32)
    canvas: Any = np.zeros((size_px, size_px), np.uint8)
    outlines = np.ascontiguousarray(np.rint(np.clip(points, -size_px, 2 * size_px)), np.int32)
    for outline in outlines:
        canvas.fill(0)
        cv2.fillConvexPoly(canvas, cv2.convexHull(outline), (1,))
        counts += canvas
    path: Mask = counts > len(points) // _FRAMES_PER_SLIP
    return path


def _small(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (_GIVEAWAY_PX, _GIVEAWAY_PX), interpolation=cv2.INTER_AREA), np.float32)


def _widened(mask: Mask, by_px: float) -> Mask:
    reach = int(np.ceil(by_px))
    disc: Any = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), bool)


def _below(mask: Mask, by_px: float) -> Mask:
    """The mask and everything up to `by_px` below it."""
    reach = int(np.ceil(by_px))
    column: Any = np.ones((reach + 1, 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), column, anchor=(0, reach)), bool)


def _inner(size_px: int) -> Mask:
    inner = np.zeros((size_px, size_px), bool)
    inner[_EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX] = True
    return inner


def _blurred(mask: Mask, sigma_px: float) -> Share:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(sigma_px, 0.5)), np.float32)


def _smooth(ramp: NDArray[Any]) -> NDArray[Any]:
    """A ramp without kinks at its ends."""
    smooth: NDArray[Any] = ramp * ramp * (3 - 2 * ramp)
    return smooth
