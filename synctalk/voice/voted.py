"""Listings of Common Voice: tables separated by tabs, with a header, votes and a number for each speaker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from synctalk.voice.listing import DEFAULT_SPEAKER, Entry, Reason, Rejection, RowError
from synctalk.voice.soundfiles import bare_name
from synctalk.voice.textlines import read_lines
from synctalk.voice_settings import PrepareSettings

_COLUMNS = {"path", "sentence"}
_COMPLETE = "validated.tsv"
_REFUSED = "invalidated.tsv"


def find_tables(found: Mapping[str, Path]) -> dict[str, Path]:
    """The tables to read: `validated.tsv`, or all others when it is missing; those of the first folder that has any.

    Args:
        found: Files by their relative paths.

    Raises:
        InputError: One of them cannot be read.
    """
    tables = {label: path for label, path in found.items() if label.lower().endswith(".tsv") and _is_table(path)}
    tables = {label: path for label, path in tables.items() if path.name != _REFUSED}
    if not tables:
        return {}
    folder = min((PurePosixPath(label).parent for label in tables), key=lambda place: (len(place.parts), str(place)))
    here = {label: path for label, path in tables.items() if PurePosixPath(label).parent == folder}
    return {label: path for label, path in here.items() if path.name == _COMPLETE} or here


def _is_table(path: Path) -> bool:
    first = next(read_lines(path), (0, ""))[1]
    return isinstance(first, str) and set(first.split("\t")) >= _COLUMNS


def read_voted(path: Path, source: str, settings: PrepareSettings) -> Iterator[Entry | Rejection]:
    """What each line of a table says; lines without the wanted votes are rejected.

    Raises:
        InputError: It cannot be read.
    """
    near = str(PurePosixPath(source).parent)
    near = "" if near == "." else near
    lines = read_lines(path)
    header = str(next(lines)[1]).split("\t")
    for number, text in lines:
        name = ""
        try:
            row = _row(text, header)
            name = row["path"]
            _check_votes(row, settings)
        except RowError as error:
            yield Rejection(source, number, bare_name(name), error.reason, error.detail)
        else:
            yield Entry(source, number, name, row["sentence"], row.get("client_id", DEFAULT_SPEAKER), near)


def _row(text: str | RowError, header: list[str]) -> dict[str, str]:
    if isinstance(text, RowError):
        raise text
    cells = [cell.strip() for cell in text.split("\t")]
    if len(cells) != len(header):
        raise RowError(Reason.COLUMNS, f"{len(cells)} where this file has {len(header)}")
    return dict(zip(header, cells, strict=True))


def _check_votes(row: Mapping[str, str], settings: PrepareSettings) -> None:
    """Refuse a row with too few votes for it, or too many against it; a table may lack these columns."""
    up, down = row.get("up_votes"), row.get("down_votes")
    try:
        is_enough = up is None or int(up) >= settings.least_up_votes
        is_disputed = down is not None and int(down) > settings.most_down_votes
    except ValueError as error:
        raise RowError(Reason.VOTES, "they are not numbers") from error
    if not is_enough or is_disputed:
        raise RowError(Reason.VOTES, f"{up} for it, {down} against it")
