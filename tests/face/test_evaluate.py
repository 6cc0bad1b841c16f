"""An evaluation tells a copier from a listener, and writes its figures and its picture."""

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from synctalk.errors import InputError
from synctalk.face.evaluate import REPORT, STRIP, Examination, evaluate
from synctalk.face.evaluation import Evaluation
from synctalk.face.footage import open_footage
from synctalk.face.syncnet import SyncNet
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


@pytest.fixture(scope="module")
def made(workspace, painter_class, tmp_path_factory) -> dict[str, tuple[Evaluation, Path]]:
    """What came out of examining a copier (without a judge) and a painter (with one), and where."""
    footage, painter = open_footage(workspace), painter_class()
    folders = [tmp_path_factory.mktemp(name) for name in ("copier", "painter")]
    return {
        "copier": (examine(footage, Copier(painter), folders[0]), folders[0]),
        "painter": (examine(footage, painter, folders[1], judge=SyncNet().eval()), folders[1]),
    }


def test_a_copier_is_perfect_and_found_out_to_be_deaf(made) -> None:
    found, _ = made["copier"]
    assert found.frames == 6
    assert found.found_faces == 1
    assert found.psnr_mouth > 30
    assert found.ssim_mouth > 0.95
    assert found.psnr_frame > 40
    assert found.landmark_distance_px < 3
    assert found.opening_correlation > 0.8
    assert found.opening_correlation_shuffled > 0.8
    assert found.seam_ratio == pytest.approx(1, abs=0.05)


def test_a_painter_differs_where_it_paints(made) -> None:
    copied, painted = made["copier"][0], made["painter"][0]
    assert painted.psnr_mouth < copied.psnr_mouth - 3
    assert painted.ssim_mouth < copied.ssim_mouth


def test_writes_figures_and_picture(made) -> None:
    found, folder = made["painter"]
    assert sorted(path.name for path in folder.iterdir()) == [REPORT, STRIP]
    assert msgspec.json.decode((folder / REPORT).read_bytes(), type=Evaluation) == found
    picture = cv2.imread(str(folder / STRIP))
    assert picture.std() > 20


def test_asks_the_judge_when_there_is_one(made) -> None:
    assert made["copier"][0].sync_accuracy is None
    found, _ = made["painter"]
    assert 0 <= found.sync_accuracy <= 1
    assert 0 <= found.sync_accuracy_true <= 1
    assert abs(found.sync_offset_frames) <= 15


def test_stops_when_asked_and_writes_nothing(footage, painter, tmp_path) -> None:
    assert examine(footage, painter, tmp_path, should_stop=lambda: True) is None
    assert not list(tmp_path.iterdir())


def test_measures_a_trained_dataset_and_writes_beside_its_checkpoints(trained) -> None:
    found = evaluate(trained, device="cpu")
    assert found.frames == 6
    assert found.psnr_frame > 20
    assert found.model == "anna 1/main"
    assert {REPORT, STRIP} <= {path.name for path in trained.training("main").iterdir()}


def test_of_a_dataset_without_a_training_names_the_command(workspace) -> None:
    with pytest.raises(InputError, match="nothing is trained") as caught:
        evaluate(workspace, device="cpu")
    assert "synctalk run" in caught.value.hint


def test_of_too_short_a_recording_is_refused(footage, painter, tmp_path) -> None:
    footage.recording.points[:20] = np.nan
    with pytest.raises(InputError, match="held out"):
        examine(footage, painter, tmp_path)
