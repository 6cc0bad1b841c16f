"""Alignments find their clips; clips without a usable one are left out, counted and named."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from synctalk.errors import InputError
from synctalk.voice.aligned import align
from synctalk.voice.corpus import Corpus
from synctalk.voice.gridfiles import find_textgrids
from tests.voice.spoken import write_spoken


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    logging.getLogger("synctalk").propagate = True
    return write_spoken(tmp_path / "voice", tmp_path / "recordings" / "textgrids")


@pytest.mark.parametrize("folder", ["textgrids", "TextGrid", "TextGrid/wavs", "textgrids/anna/day 1"])
def test_alignments_are_found_wherever_aligners_and_archives_put_them(tmp_path: Path, folder: str) -> None:
    write_spoken(tmp_path / "voice", tmp_path / "recordings" / folder)
    found = find_textgrids(tmp_path / "recordings")
    assert sorted(found) == ["clip_0", "clip_1", "clip_2", "clip_3"]


def test_two_alignments_of_one_clip_are_refused(tmp_path: Path, corpus: Corpus) -> None:
    (tmp_path / "recordings" / "TextGrid").mkdir()
    (tmp_path / "recordings" / "TextGrid" / "clip_1.textgrid").touch()
    with pytest.raises(InputError, match="two alignments of one clip"):
        find_textgrids(tmp_path / "recordings")


def test_every_clip_is_timed_and_its_words_are_learned(
    tmp_path: Path, corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="synctalk"):
        aligned = align(corpus, find_textgrids(tmp_path / "recordings"))
    assert "all 4 clips have an alignment" in caplog.text
    assert aligned.left_out == {}
    assert aligned.lexicon.words == {"me": ("M", "IY1"), "oh": ("OW1",), "see": ("S", "IY1"), "you": ("Y", "UW1")}
    assert aligned.clips[0].timed.tokens == ("<silence>", "OW1", ",", "S", "IY1", "M", "IY1", ".")
    assert all(sum(one.timed.frames) == one.clip.samples // 256 for one in aligned.clips)
    assert [one.clip.name for one in aligned.chosen(is_held_out=True)] == ["clip_3"]


def test_what_was_cut_from_the_beginning_is_taken_off_the_times(tmp_path: Path) -> None:
    corpus = write_spoken(tmp_path / "voice", tmp_path / "recordings" / "textgrids", cut_s=0.064)
    aligned = align(corpus, find_textgrids(tmp_path / "recordings"))
    whole = align(write_spoken(tmp_path / "b", tmp_path / "whole" / "textgrids"), find_textgrids(tmp_path / "whole"))
    for cut, one in zip(aligned.clips, whole.clips, strict=True):
        assert cut.timed.tokens == one.timed.tokens
        assert cut.timed.frames[0] == one.timed.frames[0] - 4
        assert cut.timed.frames[1:] == one.timed.frames[1:]


def test_clips_that_cannot_be_used_are_left_out_with_the_reason(
    tmp_path: Path, corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "recordings" / "textgrids"
    (folder / "clip_0.TextGrid").unlink()
    (folder / "clip_1.TextGrid").write_text("rubbish")
    (folder / "clip_2.TextGrid").write_text((folder / "clip_3.TextGrid").read_text())
    with caplog.at_level(logging.WARNING, logger="synctalk"):
        aligned = align(corpus, find_textgrids(tmp_path / "recordings"))
    assert [one.clip.name for one in aligned.clips] == ["clip_3"]
    assert "no TextGrid" in aligned.left_out["clip_0"]
    assert "clip_1.TextGrid:1" in aligned.left_out["clip_1"]
    assert "alignment ends" in aligned.left_out["clip_2"]
    assert "3 of 4 clips are left out: clip_0: there is no TextGrid of this name; clip_1" in caplog.text


def test_without_any_alignment_it_says_how_to_make_them(corpus: Corpus) -> None:
    with pytest.raises(InputError, match="none of the 4 clips") as caught:
        align(corpus, {})
    assert "mfa align" in caught.value.hint
