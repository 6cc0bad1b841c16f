"""Alignments that were found are read as they were written, or refused with what to do."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from synctalk.errors import InputError
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.own_alignment import Alignments, ClipAlignment, read_own, write_alignments

CORPUS = Corpus(
    rate_hz=16_000,
    language="en_US",
    clips=(
        Clip(name="one", text="Hi, you.", start=0, samples=25 * 256 + 9),
        Clip(name="two", text="1455", start=9000, samples=5000),
    ),
)
FOUND = Alignments(
    clips=(
        ClipAlignment(
            name="one", tokens=("<silence>", "HH", "IH1", ",", "Y", "AW1", "."), frames=(4, 5, 3, 4, 2, 3, 4)
        ),
    ),
    left_out={"two": "it is a number"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_alignments(tmp_path / "alignments.json", FOUND)
    return tmp_path / "alignments.json"


def test_clips_have_the_alignments_that_were_found(path: Path) -> None:
    aligned = read_own(CORPUS, path)
    (one,) = aligned.clips
    assert (one.clip, one.timed.tokens, one.timed.frames) == (
        CORPUS.clips[0], FOUND.clips[0].tokens, FOUND.clips[0].frames,
    )  # fmt: skip
    assert aligned.left_out == {"two": "it is a number"}
    assert aligned.lexicon.words.keys() == {"hi", "you"}
    assert aligned.tokens.extra == ()


def test_letters_are_tokens_of_their_own_and_need_no_lexicon(path: Path) -> None:
    letters = ClipAlignment(name="one", tokens=("<silence>", "h", "é", "."), frames=(4, 8, 9, 4))
    write_alignments(path, Alignments(clips=(letters,), units="letters"))
    aligned = read_own(CORPUS, path)
    assert (aligned.units, aligned.tokens.extra, aligned.lexicon.words) == ("letters", ("h", "é"), {})


@pytest.mark.parametrize(
    "other",
    [
        Alignments(is_given=True),
        Alignments(clips=(msgspec.structs.replace(FOUND.clips[0], name="three"),)),
        Alignments(clips=(msgspec.structs.replace(FOUND.clips[0], frames=(4, 5, 3, 4, 2, 3, 5)),)),
        Alignments(clips=(msgspec.structs.replace(FOUND.clips[0], frames=(4, 5, 3, 4, 2, 7)),)),
        msgspec.structs.replace(FOUND, format=2),
    ],
)
def test_alignments_of_other_clips_are_refused(path: Path, other: Alignments) -> None:
    write_alignments(path, other)
    with pytest.raises(InputError, match="not those of the prepared clips") as refused:
        read_own(CORPUS, path)
    assert "--force align" in refused.value.hint


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("{")])
def test_missing_or_damaged_alignments_say_what_to_do(path: Path, damage) -> None:
    damage(path)
    with pytest.raises(InputError, match="cannot be read") as refused:
        read_own(CORPUS, path)
    assert "--force align" in refused.value.hint
