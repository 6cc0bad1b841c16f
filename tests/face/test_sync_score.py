"""The score believes a judge that knows, and stays at chance for one that does not."""

import numpy as np
import pytest
import torch

from synctalk.face.data import SYNC_MELS
from synctalk.face.sync_score import sync_score
from synctalk.face.syncnet import SyncNet
from synctalk.media.mel import MEL_BANDS, MEL_FLOOR, windows_at

FIRST, FRAMES = 40, 60


class BrightnessJudge:
    """Believes that bright faces belong to loud sounds."""

    def embed_faces(self, faces: torch.Tensor) -> torch.Tensor:
        return faces.mean(dim=(2, 3, 4))

    def embed_sounds(self, mels: torch.Tensor) -> torch.Tensor:
        loudness = mels.mean(dim=-2)
        return loudness.reshape(*loudness.shape[:-1], 5, SYNC_MELS // 5).mean(dim=-1)

    def logits(self, faces: torch.Tensor, sounds: torch.Tensor) -> torch.Tensor:
        return -(faces - (sounds + 4) / 8).abs().sum(dim=-1)


@pytest.fixture(scope="module")
def mel() -> np.ndarray:
    rises = np.random.default_rng(0).normal(0, 1, 400)
    loudness = np.convolve(rises, np.ones(6) / 2, "same").clip(-4, 4)
    return np.repeat(loudness[:, None], MEL_BANDS, axis=1).astype(np.float32)


def faces_like(mel: np.ndarray, *, late: int = 0) -> np.ndarray:
    """Frames as bright as the sound is loud, `late` frames after it."""
    loudness = windows_at(mel, FIRST - late + np.arange(FRAMES), 4).mean(axis=(1, 2))
    grey = ((loudness + 4) / 8 * 255).round().astype(np.uint8)
    faces = np.tile(grey[:, None, None, None], (1, 64, 64, 3))
    faces.setflags(write=False)  # as the memory-mapped crops of a recording are
    return faces


def test_of_faces_in_step_is_high_and_without_offset(mel) -> None:
    score = sync_score(BrightnessJudge(), faces_like(mel), mel=mel, first=FIRST)
    assert score.accuracy > 0.97
    assert score.offset_frames == 0


@pytest.mark.parametrize("late", [-6, 4])
def test_of_late_faces_names_the_offset(mel, late) -> None:
    score = sync_score(BrightnessJudge(), faces_like(mel, late=late), mel=mel, first=FIRST)
    assert score.offset_frames == -late
    assert score.accuracy < 0.95


def test_of_an_untrained_judge_is_near_chance(mel) -> None:
    torch.manual_seed(0)
    score = sync_score(SyncNet().eval(), faces_like(mel), mel=mel, first=FIRST)
    assert 0.2 < score.accuracy < 0.8


def test_of_silence_and_of_too_few_frames_is_unknown(mel) -> None:
    silence = np.full_like(mel, MEL_FLOOR)
    assert sync_score(BrightnessJudge(), faces_like(mel), mel=silence, first=FIRST) is None
    assert sync_score(BrightnessJudge(), faces_like(mel)[:4], mel=mel, first=FIRST) is None
