"""The two training stages from a prepared recording to checkpoints, figures and a preview."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synctalk.config import load_settings
from synctalk.errors import InputError
from synctalk.face.generator import load_generator
from synctalk.face.presenter import perform_babble
from synctalk.face.recipes import PREVIEW, describe_offset, find_judge, train_main, train_syncnet
from synctalk.face.syncnet import SyncNet
from synctalk.media.mel import mel_spectrogram
from synctalk.media.video import probe
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext
from synctalk.training.checkpoint import Checkpoint, Facts, load_checkpoint, save_checkpoint
from synctalk.workspace import Workspace
from tests.pictures import LOSSES, drawn_once
from tests.stage_context import stage_context

TINY = {
    "syncnet.epochs": 1, "main.epochs": 1, "main.channels": 8, "main.batch_size": 4, "syncnet.batch_size": 4,
    "runtime.preview_s": 0.4, "runtime.device": "cpu",
}  # fmt: skip

Ask = Callable[..., StageContext]


@pytest.fixture(autouse=True)
def _pictures() -> Iterator[None]:
    with drawn_once(LOSSES):
        yield


@pytest.fixture
def ask(workspace: Workspace, tmp_path: Path) -> Ask:
    """A context as the runner gives it, for a dataset of its own that shares the prepared files."""
    own = Workspace(tmp_path, workspace.name)
    own.dataset.parent.mkdir()
    own.dataset.symlink_to(workspace.dataset)

    def context(*, should_stop: Callable[[], bool] = lambda: False, **changes: Any) -> StageContext:
        changes = {name.replace("__", "."): value for name, value in changes.items()}
        settings = load_settings(tmp_path / "none.toml", preset="draft", overrides=TINY | changes)
        return stage_context(own, settings, stage="main", should_stop=should_stop)

    return context


def test_syncnet_and_main_run_one_after_the_other(ask: Ask, caplog: pytest.LogCaptureFixture):
    context = ask()
    with caplog.at_level(logging.INFO, logger="synctalk"):
        judged, trained = train_syncnet(context), train_main(context)
    assert (judged.outcome, trained.outcome) == (Outcome.FINISHED, Outcome.FINISHED)
    assert 0 <= judged.summary["shift_accuracy"] <= 1
    assert judged.summary["offset_frames"] is None  # 2.6 s are too short to tell
    assert {"psnr", "ssim", "audio_gain", "loss", "sync_term", "best_epoch"} <= trained.summary.keys()
    folder = context.workspace.training("main")
    assert {"best.pth", "epoch_0001.pth", "training_log.json", "loss_history.png", PREVIEW} <= {
        path.name for path in folder.iterdir()
    }
    assert (folder / "previews" / "0001.mp4").read_bytes() == (folder / PREVIEW).read_bytes()
    facts = probe(folder / PREVIEW)
    assert facts.has_audio
    assert facts.duration_s == pytest.approx(0.4, abs=0.05)
    assert "held-out frames are too few to trust a SyncNet" in caplog.text
    generator = load_generator(folder)
    crops = np.zeros((1, generator.size_px, generator.size_px, 3), np.uint8)
    assert generator.predict(crops, crops, generator.hear(np.zeros(640, np.float32), frames=1)).shape == crops.shape
    json.dumps([judged.summary, trained.summary])


def test_the_same_training_gives_the_same_weights(ask: Ask):
    weights = []
    for _ in range(2):
        context = ask(runtime__preview_s=0)
        train_main(context)
        best = context.workspace.training("main") / "best.pth"
        weights.append(load_checkpoint(best).models["generator"])
        for path in best.parent.iterdir():
            path.unlink()
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_a_stopped_training_says_so(ask: Ask):
    assert train_main(ask(should_stop=lambda: True)).outcome is Outcome.INTERRUPTED


def save_judge(folder: Path, accuracy: float | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    facts = Facts(
        stage="syncnet", fingerprint="f", generation=0, epoch=1, history=[{"held_out": {"shift_accuracy": accuracy}}]
    )
    models = {"syncnet": dict(SyncNet().state_dict())}
    save_checkpoint(folder / "best.pth", Checkpoint(facts=facts, models=models))


@pytest.mark.parametrize(
    ("accuracy", "weight", "is_used", "sentence"),
    [
        (0.92, 0.03, True, "in 92 % of the held-out cases; its loss is used"),
        (0.7, 0.03, False, "in 70 % of the held-out cases; it is used from 85 % on"),
        (None, 0.03, False, "in 0 %"),
        (0.92, 0.0, False, "main.sync_weight is 0"),
    ],
)
def test_the_judge_is_used_only_when_it_has_earned_it(
    ask: Ask, caplog: pytest.LogCaptureFixture, accuracy: float | None, weight: float, is_used: bool, sentence: str
):
    context = ask(main__sync_weight=weight)
    folder = context.workspace.training("syncnet")
    save_judge(folder, accuracy)
    with caplog.at_level(logging.INFO, logger="synctalk"):
        judge = find_judge(folder, context.settings.main, held_out_frames=50)
    assert (judge is not None) == is_used
    assert sentence in caplog.text
    assert judge is None or not any(parameter.requires_grad for parameter in judge.parameters())


def test_without_a_syncnet_there_is_no_sync_term(ask: Ask, caplog: pytest.LogCaptureFixture):
    context = ask()
    with caplog.at_level(logging.INFO, logger="synctalk"):
        assert find_judge(context.workspace.training("syncnet"), context.settings.main, held_out_frames=50) is None
    assert "there is no SyncNet" in caplog.text


def test_a_judge_measured_on_a_handful_of_frames_is_not_believed(ask: Ask, caplog: pytest.LogCaptureFixture):
    context = ask()
    folder = context.workspace.training("syncnet")
    save_judge(folder, 1.0)
    with caplog.at_level(logging.INFO, logger="synctalk"):
        assert find_judge(folder, context.settings.main, held_out_frames=49) is None
    assert "49 held-out frames are too few" in caplog.text


def test_a_good_judge_takes_part_in_the_training(ask: Ask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("synctalk.face.recipes.LEAST_HELD_OUT_FRAMES", 1)
    context = ask(runtime__preview_s=0)
    save_judge(context.workspace.training("syncnet"), 0.99)
    assert train_main(context).summary["sync_term"] is True
    log = json.loads((context.workspace.training("main") / "training_log.json").read_text())
    assert "sync" in json.dumps(log)


def test_a_syncnet_starts_from_another_one(ask: Ask, tmp_path: Path):
    save_judge(tmp_path / "other", 0.9)
    context = ask(syncnet__initial=str(tmp_path / "other" / "best.pth"), syncnet__lr=1e-9, syncnet__ema_decay=0.0)
    train_syncnet(context)
    start, end = (
        load_checkpoint(path).models["syncnet"]["face.0.weight"]
        for path in (tmp_path / "other" / "best.pth", context.workspace.training("syncnet") / "best.pth")
    )
    assert torch.allclose(start, end, atol=1e-5)


def test_a_start_that_is_no_syncnet_is_refused(ask: Ask, tmp_path: Path):
    facts = Facts(stage="main", fingerprint="f", generation=0, epoch=1)
    save_checkpoint(tmp_path / "main.pth", Checkpoint(facts=facts, models={"generator": {"w": torch.ones(1)}}))
    with pytest.raises(InputError, match="holds no SyncNet"):
        train_syncnet(ask(syncnet__initial=str(tmp_path / "main.pth")))


def test_missing_perceptual_weights_are_refused_before_anything_is_trained(ask: Ask, tmp_path: Path):
    context = ask(main__vgg_weights=str(tmp_path / "none.pth"))
    with pytest.raises(InputError, match="no VGG19 weights"):
        train_main(context)
    assert not context.workspace.training("main").exists()


def test_the_older_network_wants_its_own_size(ask: Ask):
    with pytest.raises(InputError, match="320 px") as caught:
        train_main(ask(main__arch="unet328"))
    assert "preprocess.size_px=320" in caught.value.hint


def test_a_recording_out_of_step_is_warned_about(caplog: pytest.LogCaptureFixture):
    performance = perform_babble(20, seed=3)
    with caplog.at_level(logging.INFO, logger="synctalk"):
        figures = describe_offset(performance.opening, mel_spectrogram(np.roll(performance.samples, 5 * 640)))
    assert figures["offset_frames"] == 5
    assert figures["offset_ms"] == pytest.approx(200, abs=20)
    assert "too late" in caplog.text
