"""A rendered video says what it is, in words and for programs, and can be marked visibly."""

import numpy as np
import pytest

from synctalk import __version__
from synctalk.face.provenance import STATEMENT, provenance, read_provenance, stamp
from synctalk.files import content_hash
from synctalk.media.encode import VideoWriter, read_metadata


def test_survives_the_way_into_a_file_and_back(tmp_path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"frames")
    path = tmp_path / "out.mp4"
    voice = "бен, versions/version_0001.pth, epoch 20"
    metadata = provenance(dataset="анна 1", source=source, model="main/epoch_0007", voice=voice)
    with VideoWriter(path, width=32, height=32, metadata=metadata, preset="ultrafast") as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    facts = read_provenance(path)
    assert facts["statement"] == STATEMENT
    assert facts["software"] == f"synctalk {__version__}"
    assert facts["dataset"] == "анна 1"
    assert facts["source_xxh3"] == content_hash(source)
    assert facts["model"] == "main/epoch_0007"
    assert facts["voice"] == voice
    assert f"with the voice {voice} on" in read_metadata(path)["comment"]
    assert "sound_xxh3" not in facts
    assert facts["made"].endswith("+00:00")
    assert STATEMENT in read_metadata(path)["comment"]


def test_of_another_video_is_empty(tmp_path) -> None:
    path = tmp_path / "plain.mp4"
    with VideoWriter(path, width=32, height=32, metadata={"comment": "hello"}, preset="ultrafast") as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
    assert read_provenance(path) == {}


@pytest.mark.parametrize("shape", [(512, 512), (1920, 1080), (40, 30), (360, 288)])
@pytest.mark.parametrize("brightness", [0, 128, 255])
def test_mark_is_seen_on_any_ground_and_only_in_its_corner(shape, brightness) -> None:
    frame = np.full((*shape, 3), brightness, np.uint8)
    marked = stamp(frame)
    assert (frame == brightness).all()
    difference = np.abs(marked.astype(int) - frame).max(axis=-1)
    assert difference.max() > 60
    assert not difference[: shape[0] // 2].any()
