"""TextGrids are read in every dress they come in, and damaged ones are refused with file and line."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.voice.textgrid import TextGrid, read_textgrid
from tests.voice.grids import HELLO, grid_of, written_long, written_short


def stored(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "clip.TextGrid"
    path.write_bytes(text.encode(encoding))
    return path


marks = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=5).map(
    lambda text: text.strip().lower()
)
lengths_s = st.floats(0.01, 2.0)
tiers = st.lists(st.tuples(marks, lengths_s), min_size=1, max_size=6)


@given(words=tiers, phones=tiers)
def test_what_is_written_is_read_whatever_the_format(
    words: list[tuple[str, float]], phones: list[tuple[str, float]], tmp_path: Path
) -> None:
    grid = grid_of(words, phones)
    assert read_textgrid(stored(tmp_path, written_long(grid))) == grid
    assert read_textgrid(stored(tmp_path, written_short(grid))) == grid


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends_do_not_matter(tmp_path: Path, encoding: str, newline: str) -> None:
    grid = grid_of([("schön", 1.0)], [("ʃ", 0.5), ("ø", 0.5)])
    assert read_textgrid(stored(tmp_path, written_long(grid).replace("\n", newline), encoding)) == grid


@pytest.mark.parametrize("name", ["phone", "Phonemes", "phoneme", "anna - phones"])
def test_the_tier_of_phones_is_known_by_several_names(tmp_path: Path, name: str) -> None:
    assert read_textgrid(stored(tmp_path, written_long(HELLO).replace('"phones"', f'"{name}"'))) == HELLO


def test_points_and_comments_are_passed_over(tmp_path: Path) -> None:
    text = written_short(HELLO).replace(
        "<exists>\n2\n", '<exists> ! a "comment" 7\n3\n"TextTier" "bell" 0 1.5 1 0.7 "ding"\n'
    )
    assert read_textgrid(stored(tmp_path, text)) == HELLO


LINES = written_long(HELLO).splitlines()


@pytest.mark.parametrize(
    ("line", "becomes", "told"),
    [
        (2, 'Object class = "Pitch"', ":2: this is no TextGrid"),
        (6, "tiers? <absent>", ":6: it has no tiers"),
        (7, "size = 2.5", ":7: 2.5 where a whole number belongs"),
        (7, "size = 3", "the file ends too early"),
        (10, '\t\tclass = "Staircase"', "unknown kind 'Staircase'"),
        (14, "\t\tintervals: size = -1", ":14: -1 where a whole number belongs"),
        (14, "\t\tintervals: size = 999999999", ":35: 'IntervalTier' where a number|where a number belongs"),
        (16, "\t\t\t\txmin = nan", "where a number belongs"),
        (17, "\t\t\t\txmax = 0.9", "an interval from 0.2 s to 0.6 s after one that ends at 0.9 s"),
        (17, "\t\t\t\txmax = -0.2", "an interval from 0 s to -0.2 s"),
        (17, "\t\t\t\txmax = 1e300", "out of range"),
        (18, '\t\t\t\ttext = "', "belongs"),
    ],
)
def test_a_damaged_file_is_refused_with_the_line(tmp_path: Path, line: int, becomes: str, told: str) -> None:
    damaged = [*LINES[: line - 1], becomes, *LINES[line:]]
    with pytest.raises(InputError, match=told) as caught:
        read_textgrid(stored(tmp_path, "\n".join(damaged)))
    assert "clip.TextGrid:" in str(caught.value)


def test_a_missing_tier_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tier 'phones'"):
        read_textgrid(stored(tmp_path, written_long(HELLO).replace('"phones"', '"notes"')))
    with pytest.raises(InputError, match=r"absent\.TextGrid cannot be read"):
        read_textgrid(tmp_path / "absent.TextGrid")


@given(data=st.binary(max_size=300))
def test_no_rubbish_gets_past_as_anything_but_an_input_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rubbish.TextGrid"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_textgrid(path)


@given(cut=st.integers(0, len(written_long(HELLO)) - 2), noise=st.text('"0123456789. -!<>ex\n', max_size=3))
def test_a_file_cut_and_patched_anywhere_is_read_or_refused(cut: int, noise: str, tmp_path: Path) -> None:
    text = written_long(HELLO)
    try:
        grid = read_textgrid(stored(tmp_path, text[:cut] + noise + text[cut + len(noise) :]))
    except InputError:
        return
    assert isinstance(grid, TextGrid)
    for intervals in (grid.words, grid.phones):
        assert all(one.end_s == other.start_s for one, other in pairwise(intervals))


@pytest.mark.real_data
def test_all_alignments_of_the_recordings_are_read(real_data: Path) -> None:
    grids = [read_textgrid(path) for path in sorted((real_data / "voice/ljspeech/textgrids").glob("*.TextGrid"))]
    assert len(grids) == 24
    assert all(abs(grid.words[-1].end_s - grid.end_s) < 0.01 for grid in grids)
