"""Reader of Praat TextGrids as the Montreal Forced Aligner writes them: when each word and each phone is said.

Praat's long and short text formats differ only in words that no program needs: what counts are the numbers, quoted
strings and flags that stand free, in one order. UTF-8 and UTF-16 are understood. Nothing is written.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from synctalk.errors import InputError

SILENT = frozenset({"", "sil", "sp"})
"""Marks of phones and words that are none."""
SPOKEN_NOISE = frozenset({"spn", "<unk>"})
"""Marks of something said that the aligner's dictionary lacks."""

_WORD_TIERS = frozenset({"words", "word"})
_PHONE_TIERS = frozenset({"phones", "phone", "phonemes", "phoneme"})
_GAP_S = 0.002
"""Boundaries of neighbours that are nearer than this are the same."""
_LARGEST_BYTES = 1 << 24
_HINT = "align the recording again (mfa align), or leave this file out"
_TOKEN = re.compile(
    r"""(?P<comment>![^\n]*)
    | "(?P<text>(?:[^"]|"")*)"
    | (?<!\S)(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)
    | (?<!\S)(?P<flag><\w+>)(?!\S)
    | (?P<open>")""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Interval:
    """Something that is said, or a silence.

    Attributes:
        start_s, end_s: Seconds since the beginning of the recording.
        mark: A word, a phone, or a member of `SILENT` or `SPOKEN_NOISE`.
    """

    start_s: float
    end_s: float
    mark: str

    @property
    def is_silent(self) -> bool:
        """Whether nothing is said."""
        return self.mark in SILENT


@dataclass(frozen=True)
class TextGrid:
    """One aligned recording; both tiers are without gaps.

    Attributes:
        words: In lower case, in the order of time.
        phones: As the aligner names them.
    """

    words: tuple[Interval, ...]
    phones: tuple[Interval, ...]

    @property
    def end_s(self) -> float:
        """Length of the recording."""
        return self.phones[-1].end_s


def read_textgrid(path: Path) -> TextGrid:
    """Read the tiers `words` and `phones` of a TextGrid.

    Tiers of one speaker among several (`anna - words`) are found as well; of several such, the first counts.

    Raises:
        InputError: The file is missing, no TextGrid, lacks a tier, or its intervals are not one after another; names
            file and line.
    """
    reader = _Reader(path, _read_text(path))
    reader.expect_header()
    words: tuple[Interval, ...] = ()
    phones: tuple[Interval, ...] = ()
    for name, intervals in reader.tiers():
        kind = name.rpartition(" - ")[2].strip().lower()
        if kind in _WORD_TIERS and not words:
            words = tuple(Interval(one.start_s, one.end_s, one.mark.lower()) for one in intervals)
        elif kind in _PHONE_TIERS and not phones:
            phones = intervals
    for name, found in (("words", words), ("phones", phones)):
        if not found:
            raise InputError(f"{path} has no tier {name!r} with intervals", hint=_HINT)
    return TextGrid(words, phones)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"{path} is too large for a TextGrid", hint=_HINT)
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint=_HINT) from error
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: neither UTF-8 nor UTF-16", hint="save it as UTF-8") from error


class _Reader:
    """Takes the free-standing values of a TextGrid one by one, and knows on which line it is."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._tokens = _TOKEN.finditer(text)
        self._position = 0

    def expect_header(self) -> None:
        if (self._string(), self._string()) != ("ooTextFile", "TextGrid"):
            raise self._error("this is no TextGrid")
        self._number(), self._number()
        if self._next("flag") != "<exists>":
            raise self._error("it has no tiers")

    def tiers(self) -> Iterator[tuple[str, tuple[Interval, ...]]]:
        """Name and intervals of each tier; points (`TextTier`) are passed over."""
        for _ in range(self._count()):
            kind, name = self._string(), self._string()
            start_s, _end_s = self._number(), self._number()
            if kind == "IntervalTier":
                yield name, tuple(self._intervals(start_s))
            elif kind == "TextTier":
                for _point in range(self._count()):
                    self._number(), self._string()
            else:
                raise self._error(f"a tier of the unknown kind {kind!r}")

    def _intervals(self, end_s: float) -> Iterator[Interval]:
        for _ in range(self._count()):
            start_s, stop_s, mark = self._number(), self._number(), self._string()
            if abs(start_s - end_s) > _GAP_S or stop_s < start_s or start_s < 0:
                raise self._error(f"an interval from {start_s:g} s to {stop_s:g} s after one that ends at {end_s:g} s")
            yield Interval(end_s, max(stop_s, end_s), mark.strip())
            end_s = max(stop_s, end_s)

    def _count(self) -> int:
        number = self._number()
        if number < 0 or number != int(number):
            raise self._error(f"{number:g} where a whole number belongs")
        return int(number)

    def _number(self) -> float:
        number = float(self._next("number"))
        if abs(number) > 1e9:  # ten thousand days
            raise self._error(f"the number {number:g} is out of range")
        return number

    def _string(self) -> str:
        return self._next("text").replace('""', '"')

    def _next(self, kind: str) -> str:
        for token in self._tokens:
            self._position = token.start()
            found = str(token.lastgroup)
            if found == "comment":
                continue
            if found != kind:
                raise self._error(f"{token.group()[:40]!r} where a {kind} belongs")
            return str(token.group(kind))
        self._position = len(self._text)
        raise self._error("the file ends too early")

    def _error(self, problem: str) -> InputError:
        line = self._text.count("\n", 0, self._position) + 1
        return InputError(f"{self._path}:{line}: {problem}", hint=_HINT)
