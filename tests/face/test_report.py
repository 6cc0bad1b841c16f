"""The data report of any video."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctalk.errors import InputError
from synctalk.face import report as module
from synctalk.face.presenter import Scene, film_presenter, perform_babble
from synctalk.face.report import Report, check_path, format_report, refusal
from synctalk.media.verdict import Finding, Verdict

SECONDS = 3.2


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "talk.mp4"
    film_presenter(path, perform_babble(SECONDS, seed=8), seed=2, size_px=192)
    return path


def finding(name: str, verdict: Verdict, advice: str = "") -> Finding:
    return Finding(name=name, value=1.5, unit="s", verdict=verdict, text=f"{name} is so", advice=advice)


MIXED = Report(
    video="a.mp4",
    verdict=Verdict.UNUSABLE,
    frames=100,
    frames_seen=50,
    findings=[
        finding("light", Verdict.GOOD),
        finding("size", Verdict.USABLE, "come closer"),
        finding("faces", Verdict.UNUSABLE, "be alone"),
    ],
)


def test_a_recording_is_reported_and_pictured(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    report = check_path(film, out=out)
    assert report.verdict is Verdict.USABLE
    assert (report.frames, report.frames_seen) == (80, 80)
    assert report.value("frames with a face") == 1
    assert report.value("duration") == pytest.approx(SECONDS)
    assert msgspec.json.decode((out / "report.json").read_bytes(), type=Report) == report
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_folder_nothing_is_written(film: Path) -> None:
    before = set(film.parent.iterdir())
    check_path(film)
    assert set(film.parent.iterdir()) == before


def test_an_empty_room_is_unusable_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    film_presenter(path, perform_babble(2.4, seed=8), seed=2, size_px=128, scene=Scene.EMPTY)
    report = check_path(path)
    assert report.verdict is Verdict.UNUSABLE
    assert report.value("frames with a face") == 0
    assert "facing the camera" in " ".join(report.advice)


def test_a_wish_to_stop_is_granted_at_once_and_nothing_is_written(film: Path, tmp_path: Path) -> None:
    asked = iter([False] * 5 + [True])
    with pytest.raises(KeyboardInterrupt):
        check_path(film, out=tmp_path / "out", should_stop=lambda: next(asked))
    assert list(tmp_path.iterdir()) == []


def test_a_long_video_is_looked_at_in_pieces(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_FRAMES", 10)
    monkeypatch.setattr(module, "_MOST_SEGMENTS", 3)
    report = check_path(film, out=tmp_path)
    assert (report.frames, report.frames_seen) == (80, 30)
    assert "looked at 1 of 3 s" in format_report(report)


@given(frames=st.integers(1, 100_000))
def test_pieces_are_spread_from_the_first_frame_to_the_last(frames: int) -> None:
    pieces = module._segments(frames)
    assert pieces[0][0] == 0
    assert pieces[-1][1] == frames
    assert len(pieces) <= 18
    assert all(0 < stop - start <= 250 and start % 250 == 0 for start, stop in pieces)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(pieces))


@pytest.mark.parametrize("content", [b"", b"no video at all"])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match="text"):
        check_path(path)


def test_advice_names_what_matters_most_first() -> None:
    assert MIXED.advice == ["be alone", "come closer"]
    assert np.isnan(MIXED.value("unknown"))


def test_the_console_text_names_everything() -> None:
    assert format_report(MIXED).splitlines() == [
        "a.mp4: unusable",
        "  looked at 2 of 4 s",
        "  good      light: light is so",
        "  usable    size: size is so",
        "  unusable  faces: faces is so",
        "what to record again:",
        "  - be alone",
        "  - come closer",
    ]
    assert "light" not in format_report(MIXED, is_brief=True)


def test_a_refusal_names_only_what_makes_it_unusable() -> None:
    error = refusal(MIXED)
    assert error.message == "a.mp4 cannot be used: faces: faces is so"
    assert error.hint == "be alone"


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["grid/bbaf2n.mpg", "grid/pwij3p.mpg"])
def test_real_recordings_are_usable(real_data: Path, name: str) -> None:
    report = check_path(real_data / "video" / name)
    assert report.verdict is Verdict.USABLE
    assert report.value("frames with a face") == 1
    assert report.value("frames with a second face") == 0
    assert report.value("cuts") == 0
