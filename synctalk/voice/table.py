"""Listings with a row per line: `metadata.csv` as LJSpeech, Piper and others write it.

Columns are separated by `|` or tabs, and quotation marks mean themselves. A first line that names the columns is
understood, and asked for where columns are separated by commas. Without such a line there are

    name|text
    name|text|normalised text      the last is used
    name|speaker|text              when the second column repeats itself with other texts: half as many
                                   different values, or fewer, than different pairs of the last two columns
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from synctalk.errors import InputError
from synctalk.voice.listing import DEFAULT_SPEAKER, Entry, Reason, Rejection, RowError
from synctalk.voice.textlines import read_lines

_NAMES = ("name", "id", "file_name", "filename", "file", "path", "audio", "audio_file", "audio_path", "wav", "clip")
_TEXTS = (
    "normalized_text", "normalised_text", "normalized_transcription", "text", "transcription", "transcript",
    "sentence", "raw_text",
)  # fmt: skip
_SPEAKERS = ("speaker", "speaker_name", "speaker_id", "client_id")
_WIDTHS = (2, 3)


@dataclass(frozen=True)
class _Layout:
    """Which column is what, counted from 0."""

    separator: str
    width: int
    name: int
    text: int
    speaker: int | None = None
    has_header: bool = False


def read_table(path: Path, source: str) -> Iterator[Entry | Rejection]:
    """What each line of a listing says.

    Args:
        path: The listing.
        source: How it is called in messages.

    Raises:
        InputError: It cannot be read, or its columns cannot be told apart.
    """
    lines = list(read_lines(path))
    texts = [text for _, text in lines if isinstance(text, str)]
    layout = _find_layout(texts, source) if texts else None
    near = str(PurePosixPath(source).parent)
    near = "" if near == "." else near
    is_header = layout is not None and layout.has_header
    for number, text in lines:
        if isinstance(text, str) and is_header:
            is_header = False
            continue
        try:
            if isinstance(text, RowError) or layout is None:
                raise text if isinstance(text, RowError) else RowError(Reason.COLUMNS)
            name, speaker, spoken = _cells(text, layout)
        except RowError as error:
            yield Rejection(source, number, _guess_name(text), error.reason, error.detail)
        else:
            yield Entry(source, number, name, spoken, speaker, near)


def _cells(text: str, layout: _Layout) -> tuple[str, str, str]:
    """Name, speaker and text."""
    cells = _split(text, layout.separator)
    if len(cells) != layout.width:
        raise RowError(Reason.COLUMNS, f"{len(cells)} where this file has {layout.width}")
    speaker = DEFAULT_SPEAKER if layout.speaker is None else cells[layout.speaker]
    return cells[layout.name], speaker, cells[layout.text]


def _split(text: str, separator: str) -> list[str]:
    if separator != ",":
        return [cell.strip() for cell in text.split(separator)]
    try:
        # Line by line: a quotation mark that is not closed costs one line, and not the rest of the file.
        return [cell.strip() for cell in next(csv.reader([text], strict=True))]
    except csv.Error as error:
        raise RowError(Reason.COLUMNS, "a quotation mark is not closed") from error


def _guess_name(text: str | RowError) -> str:
    return text.split("|")[0].strip() if isinstance(text, str) and "|" in text else ""


def _find_layout(texts: Sequence[str], source: str) -> _Layout:
    for separator in "|\t,":
        header = _read_header(texts[0], separator)
        if header is not None:
            return header
    separator = max("|\t", key=lambda sign: sum(sign in text for text in texts))
    rows = [_split(text, separator) for text in texts]
    widths = Counter(len(row) for row in rows if len(row) in _WIDTHS)
    if not widths:
        raise InputError(
            f"no line of {source} has two or three columns separated by |",
            hint="write each line as NAME|TEXT or NAME|SPEAKER|TEXT; with commas, name the columns in the first line: "
            "file_name,text",
        )
    width = max(widths, key=lambda width: (widths[width], width))
    return _guess_layout([row for row in rows if len(row) == width], separator, width)


def _read_header(text: str, separator: str) -> _Layout | None:
    """The layout that a line describes, or None when it describes none."""
    try:
        cells = [cell.lower() for cell in _split(text, separator)]
    except RowError:
        return None
    name, spoken, speaker = (
        next((cells.index(word) for word in words if word in cells), None) for words in (_NAMES, _TEXTS, _SPEAKERS)
    )
    if name is None or spoken is None:
        return None
    return _Layout(separator, len(cells), name, spoken, speaker, has_header=True)


def _guess_layout(rows: Sequence[Sequence[str]], separator: str, width: int) -> _Layout:
    if width == len(("name", "text")):
        return _Layout(separator, width, name=0, text=1)
    if not any(row[2] for row in rows):
        return _Layout(separator, width, name=0, text=1)
    second = {row[1] for row in rows}
    pairs = {(row[1], row[2]) for row in rows}
    if len(pairs) >= 2 * len(second):
        return _Layout(separator, width, name=0, text=2, speaker=1)
    return _Layout(separator, width, name=0, text=2)
