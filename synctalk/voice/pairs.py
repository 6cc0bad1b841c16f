"""Recordings with a text file each: `0001.wav` or `0001.webm` with `0001.txt` beside it, in any sub-folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from synctalk.voice.listing import Entry, Reason, Rejection, RowError
from synctalk.voice.textlines import read_text

_TEXT = ".txt"


def read_pairs(sounds: Mapping[str, Path], found: Mapping[str, Path]) -> Iterator[Entry | Rejection]:
    """One entry for each sound with a text; a sound or a text that is alone is rejected.

    Args:
        sounds: By their relative paths.
        found: All files by their relative paths.

    Raises:
        InputError: A text cannot be read.
    """
    texts = {_stem(label): label for label, path in found.items() if path.suffix.lower() == _TEXT}
    for label in sounds:
        source = texts.pop(_stem(label), None)
        if source is None:
            yield Rejection(label, 0, label, Reason.NO_TEXT, "there is no text file of the same name beside it")
            continue
        try:
            text = read_text(found[source])
        except RowError as error:
            yield Rejection(source, 0, label, error.reason, error.detail)
        else:
            yield Entry(source, 0, label, text)
    for source in texts.values():
        yield Rejection(source, 0, source, Reason.MISSING, "there is no sound of the same name beside it")


def _stem(label: str) -> str:
    return unicodedata.normalize("NFC", label.rpartition(".")[0])
