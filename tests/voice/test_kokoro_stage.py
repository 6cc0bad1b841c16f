"""The stage `kokoro` from prepared clips to a voice that speaks, also when it is stopped on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
import torch

from synctalk.errors import InputError
from synctalk.outcome import Outcome
from synctalk.training.checkpoint import load_checkpoint
from synctalk.voice.kokoro_stage import PREVIEW, train_kokoro
from synctalk.voice.kokoro_voice import load_kokoro
from synctalk.workspace import Workspace
from tests.pictures import LOSSES, drawn_once
from tests.stage_context import Ask, asking
from tests.voice.spoken import RATE_HZ, write_spoken

TINY = {
    "kokoro.hidden_dim": 32, "kokoro.n_encoder_layers": 1, "kokoro.n_decoder_layers": 1, "kokoro.n_heads": 2,
    "kokoro.encoder_ff_dim": 32, "kokoro.decoder_ff_dim": 32, "kokoro.epochs": 2, "kokoro.batch_size": 2,
    "runtime.device": "cpu", "runtime.preview_s": 0.2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _pictures() -> Iterator[None]:
    with drawn_once(LOSSES):
        yield


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """A context as the runner gives it, for clips of spoken tones."""

    def prepare(workspace: Workspace) -> None:
        write_spoken(workspace.voice, workspace.dataset / "recordings" / "textgrids")

    return asking(tmp_path, prepare, stage="kokoro", usual=TINY)


def test_the_stage_trains_speaks_and_leaves_a_voice(ask: Ask) -> None:
    context = ask()
    result = train_kokoro(context)
    assert result.outcome is Outcome.FINISHED
    assert {"mel_refined", "duration", "stop", "length_error", "best_epoch"} <= result.summary.keys()
    assert (result.summary["clips"], result.summary["left_out"], result.summary["words"]) == (4, 0, 4)
    folder = context.workspace.training("kokoro")
    assert {"best.pth", "epoch_0002.pth", "training_log.json", "loss_history.png", PREVIEW} <= {
        path.name for path in folder.iterdir()
    }
    assert [path.name for path in sorted((folder / "previews").iterdir())] == ["0001.wav", "0002.wav"]
    preview = soundfile.info(folder / PREVIEW)
    assert preview.samplerate == RATE_HZ
    assert preview.frames > 0
    speech = load_kokoro(folder / "best.pth").speak("You see me!")
    assert len(speech.samples) == 256 * sum(speech.frames)


def test_a_training_that_is_stopped_goes_on_to_the_same_weights(ask: Ask) -> None:
    whole = ask("whole", runtime__preview_s=0)
    train_kokoro(whole)
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == 6  # after four clips and before the second step

    stopped = ask("stopped", runtime__preview_s=0, should_stop=should_stop)
    assert train_kokoro(stopped).outcome is Outcome.INTERRUPTED
    assert train_kokoro(ask("stopped", runtime__preview_s=0)).outcome is Outcome.FINISHED
    models = [
        load_checkpoint(context.workspace.training("kokoro") / "epoch_0002.pth").models["kokoro"]
        for context in (whole, stopped)
    ]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert not (stopped.workspace.training("kokoro") / PREVIEW).exists()


def test_a_stop_while_alignments_are_read_leaves_nothing(ask: Ask) -> None:
    context = ask(should_stop=lambda: True)
    assert train_kokoro(context).outcome is Outcome.INTERRUPTED
    assert not context.workspace.training("kokoro").exists()


def test_with_all_alignments_held_out_it_says_what_to_do(ask: Ask) -> None:
    context = ask()
    for number in range(3):
        (context.workspace.dataset / "recordings" / "textgrids" / f"clip_{number}.TextGrid").unlink()
    with pytest.raises(InputError, match="held out"):
        train_kokoro(context)


def test_without_prepared_clips_it_says_what_to_do(ask: Ask) -> None:
    context = ask()
    (context.workspace.voice / "clips.json").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        train_kokoro(context)
