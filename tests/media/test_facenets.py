"""The networks behind the face tracker, each alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata

import numpy as np
import pytest

from synctalk.errors import ExitCode, MissingPartError
from synctalk.face.presenter import draw_presenter
from synctalk.media.facenets import FaceBox, MediapipeDetector, MediapipeMesh, networks_version


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return draw_presenter(0.3, 0.5, frame=0, seed=7, size_px=256)


@pytest.fixture(scope="module")
def mesh() -> Iterator[MediapipeMesh]:
    mesh = MediapipeMesh()
    yield mesh
    mesh.close()


def test_the_detector_gives_the_square_around_a_face(face: np.ndarray) -> None:
    detector = MediapipeDetector()
    canvas = np.full((400, 800, 3), 128, np.uint8)
    canvas[100:356, 450:706] = face
    (box,) = detector.find(canvas)
    assert detector.find(canvas[:, :400]) == []
    detector.close()
    assert 520 < box.x < 640
    assert 150 < box.y < 300
    assert 60 < box.side < 200


def test_the_mesh_settles_on_the_first_picture(mesh: MediapipeMesh, face: np.ndarray) -> None:
    settled = mesh.start(face)
    again = mesh.find(face)
    assert settled is not None
    assert again is not None
    assert np.abs(again - settled).max() < 0.5


def test_the_mesh_starts_afresh(mesh: MediapipeMesh, face: np.ndarray) -> None:
    once = mesh.start(face)
    mesh.find(np.roll(face, 20, axis=1))
    np.testing.assert_array_equal(mesh.start(face), once)
    assert mesh.start(np.zeros_like(face)) is None
    assert mesh.find(np.zeros_like(face)) is None


def test_a_box_holds_what_is_in_it() -> None:
    box = FaceBox(10, 20, 8)
    assert box.holds(13, 17)
    assert not box.holds(15, 20)
    assert not box.holds(10, 25)


def test_the_version_names_library_and_number() -> None:
    assert networks_version() == f"mediapipe {metadata.version('mediapipe')}"


@pytest.mark.parametrize("network", [MediapipeDetector, MediapipeMesh])
def test_a_missing_library_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch, network: type) -> None:
    for name in ("face_mesh", "face_detection"):
        monkeypatch.setitem(sys.modules, f"mediapipe.python.solutions.{name}", None)
    with pytest.raises(MissingPartError, match="mediapipe") as caught:
        network()
    assert "pip install" in caught.value.hint
    assert caught.value.exit_code == ExitCode.BAD_INPUT
