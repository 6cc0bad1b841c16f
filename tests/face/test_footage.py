"""A prepared recording opens exactly as it was written, or says what to do."""

import shutil

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synctalk.errors import InputError, SynctalkError
from synctalk.face.footage import open_footage
from synctalk.media.video import FrameReader
from synctalk.workspace import Workspace


@pytest.fixture
def copied(workspace, tmp_path) -> Workspace:
    shutil.copytree(workspace.root, tmp_path / "root", dirs_exist_ok=True)
    return Workspace(tmp_path / "root", workspace.name)


@pytest.fixture(scope="module")
def video(workspace) -> list[np.ndarray]:
    return list(FrameReader(workspace.dataset / "source.mp4").frames())


@settings(max_examples=20)
@given(frames=st.lists(st.integers(0, 65), max_size=8))
def test_follows_any_order_of_frames(footage, video, frames) -> None:
    pictures = list(footage.follow(frames))
    assert len(pictures) == len(frames)
    assert all((picture == video[frame]).all() for picture, frame in zip(pictures, frames, strict=True))


def test_knows_frames_without_a_face(footage) -> None:
    assert np.flatnonzero(~footage.usable).tolist() == [20, 21, 40]
    assert not footage.cuts.any()


def test_replaces_frames_without_a_face_by_their_neighbours(footage) -> None:
    assert footage.nearest_usable(17, 7) == [17, 18, 19, 19, 22, 22, 23]
    assert footage.nearest_usable(0, footage.count)[39:42] == [39, 39, 41]


def test_another_size_cuts_the_same_picture(footage) -> None:
    image = next(footage.follow([7]))
    small, large = footage.crop(7, image, 64), footage.crop(7, image, 128)
    again = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - again).mean() < 3
    assert footage.reference(7, 128).shape == (128, 128, 3)


def test_that_is_not_prepared_names_the_command(tmp_path) -> None:
    with pytest.raises(InputError, match="not prepared") as caught:
        open_footage(Workspace(tmp_path, "anna 1"))
    assert "synctalk run 'anna 1' --until preprocess" in caught.value.hint


@pytest.mark.parametrize("name", ["boxes.npy", "landmarks.npy", "crops.npy", "aud.wav"])
def test_with_a_missing_or_damaged_file_is_refused(copied, name) -> None:
    path = copied.face / name
    path.write_bytes(path.read_bytes()[:1050])
    with pytest.raises(SynctalkError, match=f"{name}|does not belong together"):
        open_footage(copied)
    path.unlink()
    with pytest.raises(SynctalkError, match=name):
        open_footage(copied)


def test_whose_parts_do_not_belong_together_is_refused(copied) -> None:
    for name in ("boxes", "landmarks"):
        np.save(copied.face / f"{name}.npy", np.load(copied.face / f"{name}.npy")[:-1])
    with pytest.raises(SynctalkError):
        open_footage(copied)


def test_with_a_damaged_description_is_refused(copied) -> None:
    (copied.face / "source.json").write_text('{"video": 3')
    with pytest.raises(InputError, match="damaged"):
        open_footage(copied)


def test_whose_video_is_gone_is_refused(copied) -> None:
    (copied.dataset / "source.mp4").unlink()
    with pytest.raises(InputError, match="no source video"):
        open_footage(copied)


def test_whose_video_was_renamed_is_opened_under_its_new_name(copied) -> None:
    renamed = (copied.dataset / "source.mp4").rename(copied.dataset / "holiday.mp4")
    assert open_footage(copied).path == renamed


def test_whose_video_has_another_size_is_refused(copied) -> None:
    path = copied.face / "source.json"
    facts = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**facts, "width": 300}))
    with pytest.raises(InputError, match="its size differs"):
        open_footage(copied)


def test_whose_video_became_shorter_says_so_while_rendering(copied) -> None:
    footage = open_footage(copied)
    video = copied.dataset / "source.mp4"
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(SynctalkError):
        list(footage.follow(range(footage.count)))
