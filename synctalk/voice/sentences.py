"""A text in pieces that a voice can say one by one: sentences, none of them too long."""

from __future__ import annotations

import re
from collections.abc import Iterator

PAUSE_S = 0.2
"""Silence between two spoken sentences."""

LONGEST = 300
"""Characters of the longest sentence; beyond, the network's memory grows and its voice tires."""

_CLOSING = "\"'”’»›)\\]}」』】）"
# The first kind needs a space behind it (3.14, example.org); the scripts of the second write none.
_END = re.compile(rf"[.!?…]+[{_CLOSING}]*(?=\s|$)|[。！？｡؟۔।॥]+[{_CLOSING}]*|\s*\n\s*")
_BLANK_LINE = re.compile(r"[^\S\n]*\n[^\S\n]*\n")
_OPENING = " \t\r\n\"'“‘«(["
_LOOK_AHEAD = 80
_LAST_WORD = re.compile(r"[\w.]+$")
_TITLES = frozenset(
    re.split(
        r"\s+",
        "mr mrs ms mx dr prof rev hon st gen col capt lt sgt sen rep gov pres no fig vol pp vs cf e.g i.e "
        "hr fr hl nr bzw z.b u.a d.h ca mme mlle m sr sra srta ud uds dott sig avv ing др г ул им т.е т.к",
    )
)
_COMMAS = re.compile(r"[,;:،؛、，；：—–]")


def split_sentences(text: str, *, longest: int = LONGEST) -> list[str]:
    """The sentences of a text, in order; together they hold all of it but white space.

    A full stop after a title (`Dr. Anna`), an initial (`J. Smith`) or inside a number ends none, nor does any mark that
    a small letter follows. A line break ends one unless a small letter follows. What is longer is cut after a
    comma, else at a space, else anywhere.

    Args:
        text: Anything.
        longest: Characters of the longest piece, at least 1.

    Example:
        >>> split_sentences("Dr. Low paid 3.50 for it… “Why?” he asked. 你好。再见。")
        ['Dr. Low paid 3.50 for it…', '“Why?” he asked.', '你好。', '再见。']
    """
    return [piece for sentence in _sentences(text) for piece in _pieces(sentence, longest)]


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for mark in _END.finditer(text):
        if _is_end(text, mark):
            yield text[start : mark.end()].strip()
            start = mark.end()
    yield text[start:].strip()


def _is_end(text: str, mark: re.Match[str]) -> bool:
    is_paragraph = mark[0].count("\n") > 1 or _BLANK_LINE.match(text, mark.end())
    after = text[mark.end() : mark.end() + _LOOK_AHEAD].lstrip(_OPENING)
    if after[:1].islower() and not is_paragraph:
        return False
    if mark[0] != ".":
        return True
    before = _LAST_WORD.search(text, max(0, mark.start() - 20), mark.start())
    word = before[0] if before else ""
    return not (word.lower() in _TITLES or (len(word) == 1 and word.isupper()))


def _pieces(sentence: str, longest: int) -> Iterator[str]:
    while len(sentence) > longest:
        cut = _cut(sentence, longest)
        if piece := sentence[:cut].strip():
            yield piece
        sentence = sentence[cut:].strip()
    if sentence:
        yield sentence


def _cut(sentence: str, longest: int) -> int:
    """Where to cut: after the last comma of the second half, else after the last space, else at the limit."""
    commas = [mark.end() for mark in _COMMAS.finditer(sentence, longest // 2, longest)]
    if commas:
        return commas[-1]
    space = sentence.rfind(" ", 1, longest + 1)
    return space if space > 0 else longest
