"""What a text sounds like in phonemes, as espeak-ng says and as Piper writes it, when `synctalk[espeak]` is installed.

    phonemes_of            texts -> phonemes
      _ask                 one process of `espeak_child.py` for all of them: the library is under the GPL
      _write               the phonemes of its clauses, and the marks between them

Phonemes are decomposed (NFD) and without the flags that espeak puts where it changes the language; clauses are followed
by the mark that ended them. The library does not tell that mark: it is looked up in the text that was read until then.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from synctalk.errors import InputError, MissingPartError, StageError
from synctalk.voice.language import Language

INSTALL = 'pip install "synctalk[espeak]"'

_CHILD = Path(__file__).with_name("espeak_child.py")
_TIMEOUT_S = 600.0
_FLAG = re.compile(r"\([^)]*\)")
_CLOSING = "\"'”’»›)]}」』】） "
# Of several marks the first one counts; `...` and `…` are none.
_ENDING = re.compile(r"(?:\.{2,}|…|([.?!,:;—–。！？।॥۔،؟؛]))[.?!…]*$")
# What Piper's runtime 1.8.0 writes where a clause ends with a sign; nothing, not even a space, after all others.
_WRITTEN = {
    ".": ". ", "?": "? ", "!": "! ", ",": ", ", ":": ": ", ";": "; ", "—": "; ", "–": "; ",
    "۔": ". ", "،": ", ", "؛": "; ", "؟": "? ", "。": " ", "！": " ", "？": " ", "।": " ", "॥": " ",
}  # fmt: skip


def check_espeak(language: Language) -> None:
    """Ask espeak for a first word, so that whatever is missing is told before any work is done.

    Raises:
        MissingPartError: espeakng-loader is not installed.
        InputError: espeak has no voice for this language.
        StageError: It does not run.
    """
    phonemes_of([language.name_native], language.espeak)


def phonemes_of(texts: Sequence[str], voice: str) -> list[str]:
    """The phonemes of each text.

    Args:
        texts: White space within them counts as a single space.
        voice: As espeak calls it, for example `en-us`.

    Raises:
        MissingPartError, InputError, StageError: As `check_espeak`.
    """
    simple = [" ".join(_encodable(text).split()) for text in texts]
    answer = _ask({"voice": voice, "texts": simple})
    return [_write(text, clauses) for text, clauses in zip(simple, answer, strict=True)]


def recalled_phonemes(texts: Sequence[str], voice: str) -> list[str]:
    """The phonemes of each text; one question for all that were not asked for lately.

    Raises:
        MissingPartError, InputError, StageError: As `check_espeak`.
    """
    return _LATELY.answer(list(texts), voice)


class _Memory:
    """The last answers: all of the last question, and as many before it as there is room for."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], str] = {}

    def answer(self, texts: Sequence[str], voice: str) -> list[str]:
        with self._lock:
            known = dict(self._answers)
        unknown = [text for text in dict.fromkeys(texts) if (text, voice) not in known]
        if unknown:
            said = phonemes_of(unknown, voice)
            asked = {(text, voice): phonemes for text, phonemes in zip(unknown, said, strict=True)}
            known |= asked
            self._keep(asked)
        return [known[text, voice] for text in texts]

    def _keep(self, asked: Mapping[tuple[str, str], str]) -> None:
        with self._lock:
            room = max(0, self._room - len(asked))
            before = list(self._answers.items())[-room:] if room else []
            self._answers = {**dict(before), **asked}


_LATELY = _Memory(room=1024)


def _encodable(text: str) -> str:
    """A text without what C, or UTF-8, cannot hold."""
    return text.replace("\0", " ").encode(errors="replace").decode()


def _ask(question: dict[str, Any]) -> list[list[tuple[str, int]]]:
    try:
        done = subprocess.run(
            # Without -P its folder, full of modules with everyday names, would come before the standard library.
            [sys.executable, "-P", _CHILD],
            input=json.dumps(question).encode(),
            capture_output=True,
            check=True,
            timeout=_TIMEOUT_S,
            start_new_session=True,  # Ctrl-C is answered by whoever asks
        )
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        told = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        reason = told.splitlines()[-1] if told else str(error)
        raise StageError(f"espeak-ng failed: {reason}", hint=f"install it again: {INSTALL}") from error
    if "problem" in answer:
        raise _refusal(answer["problem"], question["voice"])
    clauses: list[list[tuple[str, int]]] = answer["clauses"]
    return clauses


def _refusal(problem: str, voice: str) -> InputError | MissingPartError | StageError:
    if problem == "missing":
        return MissingPartError("phonemes need espeak-ng, which is not installed", hint=INSTALL)
    if problem == "voice":
        return InputError(
            f"espeak-ng has no voice {voice!r}",
            hint="use letters: --set prepare.text=characters; or set prepare.language to one that it has",
        )
    return StageError("espeak-ng does not start", hint=f"install it again, at a shorter path: {INSTALL}")


def _write(text: str, clauses: Sequence[tuple[str, int]]) -> str:
    """The phonemes of a whole text."""
    # espeak looks one sign ahead before it ends a clause; only behind the last one there is none.
    places = [0, *(read - 1 for _, read in clauses[:-1]), len(text)]
    said = (_FLAG.sub("", phonemes) for phonemes, _ in clauses)
    written = "".join(
        phonemes + _mark_of(text[first:last]) for phonemes, (first, last) in zip(said, pairwise(places), strict=True)
    )
    return " ".join(unicodedata.normalize("NFD", written).split())


def _mark_of(clause: str) -> str:
    """What is written for the sign that ended a clause."""
    found = _ENDING.search(clause.rstrip(_CLOSING))
    return _WRITTEN.get(found[1] or "", "") if found else ""
