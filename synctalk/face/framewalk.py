"""In which order the source frames of a rendered video follow each other. Pure: numbers in, numbers out, no limit.

A walk never leaves the *stretch* it starts in: the usable frames around the start, where a few frames without a face
are stepped over (they are not seen missing) and a longer gap or a cut ends the stretch (crossing it would be a visible
jump). Inside a stretch a ping-pong walk moves by at most one place per frame; a forward walk cross-fades from the end
of the stretch to its beginning, because gestures that run backwards look wrong when the body moves a lot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from synctalk.errors import InputError

LONGEST_SKIP = 3
"""Frames without a face that a walk steps over; 120 ms missing are not noticed in a talking head."""
FADE_FRAMES = 8
_SHORTEST_FADED = 3
"""In a shorter stretch there is no room for a fade; forwards and back it looks the same, but it ends where it began."""


class Loop(Enum):
    """What happens where the source video ends before the sound does."""

    PING_PONG = "ping-pong"
    FORWARD = "forward"


@dataclass(frozen=True)
class Step:
    """One frame to be shown.

    Attributes:
        frame: The source frame.
        fade_to: A second source frame that is mixed in, or None.
        share: How much of the second one is seen, in (0, 1].
    """

    frame: int
    fade_to: int | None = None
    share: float = 0.0


def plan_walk(
    usable: Sequence[bool],
    *,
    count: int,
    start: int | None = None,
    loop: Loop = Loop.PING_PONG,
    returns: bool = False,
    cuts: Sequence[bool] | None = None,
) -> Iterator[Step]:
    """The source frames of a video of `count` frames, one by one.

    Args:
        usable: For every source frame, whether a face was found in it.
        count: Frames to show.
        start: The source frame to begin with, wrapped around the length of the source; the nearest usable one is
            taken. None begins at the start of the longest stretch.
        loop: What happens at the end of the stretch.
        returns: Whether the last frame shown is the first one again, so that the video can be repeated without a
            jump. The way back is planned from the beginning: no hurry and no standing still at the end.
        cuts: For every source frame, whether it does not continue the one before it; no walk crosses it.

    Raises:
        InputError: No source frame is usable.
    """
    stretch, place = _stretch_around(_stretches(usable, cuts), start, len(usable))
    if loop is Loop.FORWARD and len(stretch) >= _SHORTEST_FADED:
        return _forward(stretch, place, count, returns=returns)
    places = _excursions(len(stretch), place, count) if returns else _bounces(len(stretch), place, count)
    return (Step(stretch[at]) for at in places)


def _stretches(usable: Sequence[bool], cuts: Sequence[bool] | None) -> list[list[int]]:
    found: list[list[int]] = []
    is_cut = True
    for frame, is_usable in enumerate(usable):
        is_cut = is_cut or bool(cuts is not None and cuts[frame])
        if not is_usable:
            continue
        if is_cut or frame - found[-1][-1] > LONGEST_SKIP + 1:
            found.append([])
        found[-1].append(frame)
        is_cut = False
    if not found:
        raise InputError(
            "no frame of the source video shows a face", hint="`synctalk check` says what to record differently"
        )
    return found


def _stretch_around(stretches: list[list[int]], start: int | None, length: int) -> tuple[list[int], int]:
    """The stretch to walk in and the place of the first frame in it."""
    if start is None:
        return max(stretches, key=len), 0
    wanted = start % length
    stretch = min(stretches, key=lambda frames: min(abs(frame - wanted) for frame in frames))
    return stretch, min(range(len(stretch)), key=lambda place: abs(stretch[place] - wanted))


def _bounces(size: int, place: int, count: int) -> Iterator[int]:
    """To the end, back to the beginning, and again."""
    period = max(1, 2 * (size - 1))
    for time in range(count):
        at = (place + time) % period
        yield min(at, period - at) if size > 1 else 0


def _excursions(size: int, place: int, count: int) -> Iterator[int]:
    """Out and back to `place`, as few times as the size allows, each of about the same length."""
    if count < 1:
        return
    moves = count - 1
    rounds = max(1, -(-moves // max(1, 2 * (size - 1))))
    yield place
    for number in range(rounds):
        length = moves * (number + 1) // rounds - moves * number // rounds
        yield from _excursion(size, place, length)


def _excursion(size: int, place: int, length: int) -> Iterator[int]:
    """`length` moves that end where they began; an odd one waits once at the turning point."""
    reach = min(length // 2, size - 1)
    up = _share_upwards(size, place, reach)
    down = reach - up
    waits = length - 2 * reach
    yield from range(place + 1, place + up + 1)
    if up >= down:
        yield from [place + up] * waits
    yield from range(place + up - 1, place - down - 1, -1)
    if up < down:
        yield from [place - down] * waits
    yield from range(place - down + 1, place + 1)


def _share_upwards(size: int, place: int, reach: int) -> int:
    """How many of `reach` places to go up rather than down: all or none where there is room, to turn round less."""
    if reach <= size - 1 - place:
        return reach
    if reach <= place:
        return 0
    return reach * (size - 1 - place) // (size - 1)


def _forward(stretch: list[int], place: int, count: int, *, returns: bool) -> Iterator[Step]:
    """Onwards, fading from the end of the stretch into its beginning; `returns` fades into the first frame at last."""
    lap = _Lap(len(stretch), place)
    closing = lap.closing_begins(count) if returns else count
    for time in range(closing):
        at = lap.place_at(time)
        if at >= lap.period and lap.fade:
            yield Step(stretch[at], stretch[at - lap.period], (at - lap.period + 1) / (lap.fade + 1))
        else:
            yield Step(stretch[at])
    for time in range(closing, count):
        at = min(lap.place_at(closing) + time - closing, lap.size - 1)
        lead = max(0, lap.start - (count - 1 - time))
        yield Step(stretch[at], stretch[lead], (time - closing + 1) / (count - closing))


class _Lap:
    """Where a forward walk is at which time: the last `fade` places are shown together with the first `fade`."""

    def __init__(self, size: int, place: int) -> None:
        self.size = size
        self.fade = min(FADE_FRAMES, size // _SHORTEST_FADED)
        self.period = size - self.fade
        self.start = min(place, self.period - 1)  # a walk that began inside a fade would begin with two pictures

    def place_at(self, time: int) -> int:
        at = self.start + time
        return at if at < self.size else self.fade + (at - self.fade) % self.period

    def closing_begins(self, count: int) -> int:
        """The time of the last fade's first frame; it begins earlier rather than cut into another fade."""
        time = max(1, count - self.fade)
        return min(count, max(1, time - max(0, self.place_at(time) - self.period))) if self.fade else count


def legs(frames: Iterable[int]) -> Iterator[list[int]]:
    """Cut a sequence of frame numbers where it turns round or jumps, so that each part can be decoded in one go.

    A frame shown twice in a row stays in its part.

    Example:
        >>> list(legs([3, 4, 5, 5, 4, 3, 90]))
        [[3, 4, 5, 5], [4, 3], [90]]
    """
    leg: list[int] = []
    direction = 0
    for frame in frames:
        move = frame - leg[-1] if leg else 0
        turns = bool(move and direction and (move > 0) != (direction > 0))
        if leg and (turns or abs(move) > LONGEST_SKIP + 1):
            yield leg
            leg, direction = [], 0
            move = 0
        leg.append(frame)
        direction = move or direction
    if leg:
        yield leg
