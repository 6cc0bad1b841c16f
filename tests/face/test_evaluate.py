"""An evaluation tells a copier from a listener, and writes its figures and its picture."""

import cv2
import msgspec
import numpy as np
import pytest

from synctalk.face.evaluate import REPORT, STRIP, Examination
from synctalk.face.evaluation import Evaluation, summarise
from synctalk.face.evaluation_strip import write_strip
from synctalk.face.witness import Witness
from synctalk.media.landmarks import FaceTracker
from synctalk.progress import Progress


class Copier:
    """A network that gives back what it sees: perfect likeness, and deaf."""

    def __init__(self, painter) -> None:
        self.size_px, self.alpha, self.hear = painter.size_px, painter.alpha, painter.hear

    def predict(self, targets: np.ndarray, references: np.ndarray, audio: np.ndarray) -> np.ndarray:
        return targets


def examine(footage, generator, folder, *, judge=None, should_stop=lambda: False) -> Evaluation | None:
    progress = Progress(None, dataset=footage.name, stage="evaluate")
    examination = Examination(footage, generator, judge=judge, progress=progress, should_stop=should_stop)
    return examination.run(folder, model="best")


def test_a_copier_is_perfect_and_found_out_to_be_deaf(footage, painter, tmp_path) -> None:
    found = examine(footage, Copier(painter), tmp_path)
    assert found.frames == 6
    assert found.found_faces == 1
    assert found.psnr_mouth > 30
    assert found.ssim_mouth > 0.95
    assert found.psnr_frame > 40
    assert found.landmark_distance_px < 3
    assert found.opening_correlation > 0.8
    assert found.opening_correlation_shuffled > 0.8
    assert found.seam_ratio == pytest.approx(1, abs=0.05)


def test_a_painter_differs_where_it_paints(footage, painter, tmp_path) -> None:
    copied, painted = examine(footage, Copier(painter), tmp_path), examine(footage, painter, tmp_path)
    assert painted.psnr_mouth < copied.psnr_mouth - 3
    assert painted.ssim_mouth < copied.ssim_mouth


def test_writes_figures_and_picture(footage, painter, tmp_path) -> None:
    found = examine(footage, painter, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [REPORT, STRIP]
    assert msgspec.json.decode((tmp_path / REPORT).read_bytes(), type=Evaluation) == found
    picture = cv2.imread(str(tmp_path / STRIP))
    assert picture.std() > 20
    text = summarise(found)
    assert "opening correlation shuffled" in text
    assert "sync accuracy" in text
    assert "unknown" in text


def test_frames_without_a_face_are_unknown(footage, painter) -> None:
    with FaceTracker() as tracker:
        witness = Witness(footage, painter, first=18, count=6, tracker=tracker)
        seen = witness.watch(np.zeros(6 * 640, np.float32), has_pictures=True, tick=lambda: None)
    assert np.isfinite(seen.points[:, 0, 0]).tolist() == [True, True, False, False, True, True]
    assert len(seen.seams) == 4


def test_stops_when_asked_and_writes_nothing(footage, painter, tmp_path) -> None:
    assert examine(footage, painter, tmp_path, should_stop=lambda: True) is None
    assert not list(tmp_path.iterdir())


def test_strip_orders_faces_from_closed_to_open(tmp_path) -> None:
    openings = np.array([0.5, np.nan, 0.1, 0.3])
    true = np.stack([np.full((32, 32, 3), 10 * number, np.uint8) for number in range(4)])
    write_strip(tmp_path / "strip.png", true, true, openings, first_frame=7)
    picture = cv2.imread(str(tmp_path / "strip.png"))
    row = picture[100, 100::228, 0]
    assert row.tolist() == [20, 30, 0]
