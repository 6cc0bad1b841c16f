"""The two tables of prepared recordings: what is used, as Piper reads it, and what is left out, with the reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from synctalk import files
from synctalk.voice.listing import Rejection, Row

METADATA, REJECTED = "metadata.csv", "rejected.csv"


def write_metadata(folder: Path, rows: Iterable[Row]) -> None:
    """Write `metadata.csv`: `name|speaker|text`, one line each, no header, quotation marks as they are.

    Raises:
        StorageError: The disk refused.
    """
    lines = ["|".join(map(_cell, (row.name, row.speaker, row.text))) for row in rows]
    files.write_bytes(folder / METADATA, "".join(f"{line}\n" for line in lines).encode())


def write_rejected(path: Path, rejections: Iterable[Rejection]) -> None:
    """Write `rejected.csv`: RFC 4180 with the header `file,line,name,reason`; the line is empty for a whole file.

    Raises:
        StorageError: The disk refused.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("file", "line", "name", "reason"))
    writer.writerows((each.source, each.line or "", each.name, each.explanation) for each in rejections)
    files.write_bytes(path, table.getvalue().encode(errors="backslashreplace"))


def _cell(text: str) -> str:
    return text.replace("|", " ")
