"""How good a trained face is, measured on the end of the recording, which no training has seen.

The person says there what was really said (own sound), and then the same sound in the wrong order (shuffled): a mouth
that still follows the truth reads it off the picture instead of listening. Mouths are measured with the same landmarks
as in preprocessing, on the finished frames.

Files, beside the checkpoints: `evaluation.json` (an `Evaluation`) and `evaluation.png` (original, rendered and
difference).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synctalk.config import SAMPLES_PER_FRAME
from synctalk.errors import InputError, SynctalkError
from synctalk.face import metrics
from synctalk.face.evaluation import Evaluation
from synctalk.face.evaluation_strip import write_strip
from synctalk.face.footage import Footage, open_footage
from synctalk.face.generator import Generator, load_generator
from synctalk.face.lipsync import heard_when_speaking
from synctalk.face.opening import mouth_opening
from synctalk.face.render import find_checkpoint
from synctalk.face.sync_score import Judge, SyncScore, sync_score
from synctalk.face.syncnet import SyncNet
from synctalk.face.syncnet_recipe import MODEL
from synctalk.face.witness import Seen, Witness
from synctalk.files import make_folder, write_json
from synctalk.log import get_logger
from synctalk.media.landmarks import FaceTracker
from synctalk.progress import Progress
from synctalk.training.checkpoint import load_checkpoint
from synctalk.training.store import BEST
from synctalk.workspace import Workspace

_log = get_logger(__name__)

REPORT, STRIP = "evaluation.json", "evaluation.png"
MOST_FRAMES = 750
_MOST_SHUFFLES = 4
_FEWEST_FRAMES = 5


def evaluate(
    workspace: Workspace,
    *,
    checkpoint: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Evaluation | None:
    """Measure a trained dataset and write the two files beside its checkpoints.

    Args:
        workspace: The dataset, prepared and trained.
        checkpoint: A checkpoint file or folder; the best one of the dataset when not given.
        device: Where the network runs.
        progress: The bar.
        should_stop: Asked before each frame.

    Returns:
        The figures; None when it was stopped (then nothing is written).

    Raises:
        InputError: The dataset is not ready, or its recording is too short to measure anything.
    """
    folder = workspace.training("main")
    footage = open_footage(workspace)
    chosen = find_checkpoint(workspace, checkpoint)
    generator = load_generator(chosen, device=device)
    progress = progress or Progress(None, dataset=workspace.name, stage="evaluate")
    examination = Examination(
        footage, generator, judge=load_judge(workspace), progress=progress, should_stop=should_stop
    )
    return examination.run(make_folder(folder), model=f"{chosen.parent.name}/{chosen.name}")


def load_judge(workspace: Workspace) -> SyncNet | None:
    """The SyncNet of the dataset; None when none was trained or it cannot be read, which is said."""
    path = workspace.training("syncnet") / BEST
    if not path.is_file():
        return None
    try:
        return SyncNet.from_state(load_checkpoint(path).averaged_models[MODEL])
    except SynctalkError as error:
        _log.warning("evaluate: no sync score: %s", error.message)
        return None


class _StoppedError(Exception):
    """Ends an examination that was asked to stop."""


class Examination:
    """One evaluation of one network on one recording.

    Args:
        footage: The recording.
        generator: The network.
        judge: A SyncNet for the sync score; None for no such figures.
        progress: The bar.
        should_stop: Asked before each frame.
    """

    def __init__(
        self,
        footage: Footage,
        generator: Generator,
        *,
        judge: Judge | None,
        progress: Progress,
        should_stop: Callable[[], bool],
    ) -> None:
        self._footage = footage
        self._generator = generator
        self._judge = judge
        self._progress = progress
        self._should_stop = should_stop
        recording = footage.recording
        self._first = recording.first_held_out
        self._count = min(MOST_FRAMES, footage.count - self._first)
        self._true = recording.points[self._first : self._first + self._count].astype(np.float64)
        if np.isfinite(self._true[:, 0, 0]).sum() < _FEWEST_FRAMES:
            raise InputError(
                f"only {self._count} frames of {footage.name!r} are held out for measuring",
                hint="evaluate a recording of at least ten seconds",
            )

    def run(self, folder: Path, *, model: str) -> Evaluation | None:
        """Measure, and write `evaluation.json` and `evaluation.png` into `folder`; None, and nothing, when stopped."""
        shuffles = max(1, min(_MOST_SHUFFLES, MOST_FRAMES // self._count))
        self._progress.begin("", total=self._count * (1 + shuffles), unit="frame")
        try:
            own, correlations = self._watch(shuffles)
        except _StoppedError:
            return None
        finally:
            self._progress.end()
        evaluation = self._figures(own, correlations, model=model)
        true_crops = np.asarray(self._footage.recording.crops[self._first : self._first + self._count])
        openings = mouth_opening(self._true)
        write_strip(folder / STRIP, true_crops, own.crops, openings, first_frame=self._first)
        write_json(folder / REPORT, evaluation)
        return evaluation

    def _watch(self, shuffles: int) -> tuple[Seen, list[float]]:
        """What was seen with the own sound, and the correlation of the openings with each shuffled one."""
        part = slice(self._first * SAMPLES_PER_FRAME, (self._first + self._count) * SAMPLES_PER_FRAME)
        heard = heard_when_speaking(self._footage.recording.samples)[part]
        with FaceTracker() as tracker:
            witness = Witness(self._footage, self._generator, first=self._first, count=self._count, tracker=tracker)
            own = witness.watch(heard, has_pictures=True, tick=self._tick)
            correlations = []
            for seed in range(shuffles):
                sound = metrics.shuffle_sound(heard, frames=self._count, seed=seed)
                seen = witness.watch(sound, has_pictures=False, tick=self._tick)
                correlations.append(self._correlation(seen))
        return own, correlations

    def _tick(self) -> None:
        if self._should_stop():
            raise _StoppedError
        self._progress.advance()

    def _correlation(self, seen: Seen) -> float:
        return metrics.opening_correlation(mouth_opening(seen.points), mouth_opening(self._true))

    def _figures(self, own: Seen, shuffled: list[float], *, model: str) -> Evaluation:
        speech = self._footage.recording.speech[self._first : self._first + self._count]
        psnr_mouth, ssim_mouth = self._mouth_figures(own)
        true_crops = np.asarray(self._footage.recording.crops[self._first : self._first + self._count])
        sync, sync_true = self._sync_score(own.crops), self._sync_score(true_crops)
        return Evaluation(
            dataset=self._footage.name,
            model=model,
            first_frame=self._first,
            frames=self._count,
            shuffles=len(shuffled),
            found_faces=float(np.isfinite(own.points[:, 0, 0])[np.isfinite(self._true[:, 0, 0])].mean()),
            psnr_mouth=_known(psnr_mouth),
            ssim_mouth=_known(ssim_mouth),
            psnr_frame=_known(own.psnr_frame),
            ssim_frame=_known(own.ssim_frame),
            landmark_distance_px=_known([metrics.landmark_distance(own.points, self._true)]),
            opening_correlation=_known([self._correlation(own)]),
            opening_correlation_shuffled=_known(shuffled),
            jitter_ratio=_known([metrics.jitter_ratio(own.points, self._true)]),
            silence_open_ratio=_known([metrics.silence_open_ratio(own.points, self._true, speech)]),
            silence_open_ratio_true=_known([metrics.silence_open_ratio(self._true, self._true, speech)]),
            seam_ratio=_known(own.seams),
            sync_accuracy=sync.accuracy if sync else None,
            sync_accuracy_true=sync_true.accuracy if sync_true else None,
            sync_offset_frames=sync.offset_frames if sync else None,
        )

    def _sync_score(self, crops: NDArray[np.uint8]) -> SyncScore | None:
        if self._judge is None:
            return None
        return sync_score(self._judge, crops, mel=self._footage.recording.mel, first=self._first)

    def _mouth_figures(self, own: Seen) -> tuple[list[float], list[float]]:
        """PSNR and SSIM of each frame with a face, in the bounding box of the redrawn part of the crop."""
        alpha, size_px = self._generator.alpha, own.crops.shape[1]
        rows, columns = (np.flatnonzero((alpha > 0.5).any(axis=axis)) * size_px // len(alpha) for axis in (1, 0))
        region = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        pairs = [
            (own.crops[index][region], self._footage.recording.crops[self._first + index][region])
            for index in np.flatnonzero(np.isfinite(self._true[:, 0, 0]))
        ]
        return [metrics.psnr(*pair) for pair in pairs], [metrics.ssim(*pair) for pair in pairs]


def _known(values: list[float]) -> float | None:
    """The mean of the values that are numbers; None when there are none."""
    numbers = [value for value in values if math.isfinite(value)]
    return sum(numbers) / len(numbers) if numbers else None
