"""TextGrids made for tests."""

from __future__ import annotations

from collections.abc import Sequence

from synctalk.voice.textgrid import Interval, TextGrid

Marked = Sequence[tuple[str, float]]


def tier(marked: Marked) -> tuple[Interval, ...]:
    """Intervals one after another from marks and their lengths in seconds."""
    intervals: list[Interval] = []
    start_s = 0.0
    for mark, length_s in marked:
        intervals.append(Interval(start_s, start_s + length_s, mark))
        start_s += length_s
    return tuple(intervals)


def grid_of(words: Marked, phones: Marked) -> TextGrid:
    return TextGrid(tier(words), tier(phones))


def written_long(grid: TextGrid) -> str:
    """As the aligner writes it."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0.0", f"xmax = {grid.end_s}"]
    lines += ["tiers? <exists>", "size = 2", "item []:"]
    for number, (name, intervals) in enumerate([("words", grid.words), ("phones", grid.phones)], start=1):
        lines += [f"\titem [{number}]:", '\t\tclass = "IntervalTier"', f'\t\tname = "{name}"', "\t\txmin = 0.0"]
        lines += [f"\t\txmax = {intervals[-1].end_s}", f"\t\tintervals: size = {len(intervals)}"]
        for place, one in enumerate(intervals, start=1):
            mark = one.mark.replace('"', '""')
            lines += [f"\t\t\tintervals [{place}]:", f"\t\t\t\txmin = {one.start_s!r}", f"\t\t\t\txmax = {one.end_s!r}"]
            lines += [f'\t\t\t\ttext = "{mark}"']
    return "\n".join(lines) + "\n"


def written_short(grid: TextGrid) -> str:
    """Only the values."""
    lines = ['"ooTextFile"', '"TextGrid"', "0", repr(grid.end_s), "<exists>", "2"]
    for name, intervals in [("words", grid.words), ("phones", grid.phones)]:
        lines += ['"IntervalTier"', f'"{name}"', "0", repr(intervals[-1].end_s), str(len(intervals))]
        for one in intervals:
            lines += [repr(one.start_s), repr(one.end_s), '"' + one.mark.replace('"', '""') + '"']
    return "\n".join(lines) + "\n"


HELLO = grid_of(
    [("", 0.2), ("hello", 0.4), ("", 0.3), ("world", 0.5), ("", 0.1)],
    [("sil", 0.2), ("HH", 0.1), ("AH0", 0.1), ("L", 0.1), ("OW1", 0.1), ("sp", 0.3), ("W", 0.1), ("ER1", 0.2),
     ("L", 0.1), ("D", 0.1), ("sp", 0.06), ("", 0.04)],
)  # fmt: skip
"""`Hello, world.` in 1.5 seconds."""
