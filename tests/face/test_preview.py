"""The preview is a small ordinary video with sound, made from the end of the recording, whole or not there."""

import numpy as np
import pytest

from synctalk.errors import InputError, StoppedError
from synctalk.face.preview import write_preview
from synctalk.face.provenance import STATEMENT, read_provenance
from synctalk.media.audio import read_audio
from synctalk.media.video import FrameReader, probe


def test_shows_the_end_of_the_recording_with_its_sound(workspace, footage, painter, tmp_path) -> None:
    path = tmp_path / "preview.mp4"
    write_preview(workspace, painter, path, seconds=1)
    facts = probe(path)
    assert (facts.width, facts.height, facts.has_audio) == (256, 256, True)
    assert FrameReader(path).count == 25
    heard = read_audio(path)
    assert len(heard) == pytest.approx(16_000, abs=640)
    assert np.corrcoef(heard[:16_000], footage.recording.samples[-16_000:])[0, 1] > 0.9
    last = list(FrameReader(path).frames())[-1]
    original = next(footage.follow([footage.count - 1]))
    assert np.abs(last[:64].astype(int) - original[:64]).mean() < 4
    assert read_provenance(path)["statement"] == STATEMENT
    assert [file.name for file in tmp_path.iterdir()] == ["preview.mp4"]


def test_longer_than_the_recording_shows_all_of_it(workspace, footage, painter, tmp_path) -> None:
    write_preview(workspace, painter, tmp_path / "preview.mp4", seconds=100)
    assert FrameReader(tmp_path / "preview.mp4").count == footage.count


def test_of_no_length_is_not_written(workspace, painter, tmp_path) -> None:
    write_preview(workspace, painter, tmp_path / "preview.mp4", seconds=0)
    assert not list(tmp_path.iterdir())


def test_that_fails_leaves_the_old_one(workspace, painter, tmp_path) -> None:
    def broken(*_: np.ndarray) -> np.ndarray:
        raise InputError("the network is broken")

    path = tmp_path / "preview.mp4"
    path.write_bytes(b"the old one")
    painter.predict = broken
    with pytest.raises(InputError, match="broken"):
        write_preview(workspace, painter, path, seconds=1)
    assert path.read_bytes() == b"the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["preview.mp4"]


def test_that_is_stopped_leaves_the_old_one(workspace, painter, tmp_path) -> None:
    path = tmp_path / "preview.mp4"
    path.write_bytes(b"the old one")
    for frames in (0, 2):
        asked = iter(range(99))
        with pytest.raises(StoppedError):
            write_preview(workspace, painter, path, seconds=1, should_stop=lambda a=asked, n=frames: next(a) >= n)
        assert path.read_bytes() == b"the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["preview.mp4"]
