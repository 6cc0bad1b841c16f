"""The runner is the only writer of the state, and whatever happens the state is true."""

from __future__ import annotations

import errno
import json
import sys

import msgspec
import pytest

from synctalk import faults
from synctalk.errors import (
    ExitCode,
    InputError,
    LockError,
    StageError,
    StateError,
    StoppedError,
    StorageError,
    SuspendedError,
)
from synctalk.holder import current_holder
from synctalk.leasefile import Note, read_top
from synctalk.lock import DatasetLock, lease_folder
from synctalk.outcome import Outcome
from synctalk.pipeline.interruption import StopFlag
from synctalk.pipeline.runner import Runner
from synctalk.pipeline.stage import StageResult
from synctalk.state import State, Status, backup_of

WORK_MODULE = "tiny_line_work"


def read_state(line) -> State:
    return msgspec.json.decode(line.workspace.state_file.read_bytes(), type=State)


def test_the_state_tells_what_ran_and_why(line) -> None:
    line.run()
    record = read_state(line).stages["train"]
    assert record.status is Status.DONE
    assert (record.epochs, record.target_epochs, record.attempts) == (10, 10, 1)
    assert record.checkpoints[-1] == "checkpoint/anna/train/epoch_0010.pth"
    assert len(record.checkpoints) == 10
    assert record.reasons == ["it never ran"]
    assert record.outputs[0].path == "checkpoint/anna/train/best.pth"
    assert record.versions["synctalk"]
    assert record.started_at.endswith("+00:00")


def test_a_run_that_skips_everything_leaves_the_state_untouched(line) -> None:
    line.run()
    before = line.workspace.state_file.read_bytes()
    line.run()
    assert line.workspace.state_file.read_bytes() == before


def test_a_failure_is_recorded_and_tried_again(line) -> None:
    line.error = InputError("no face in any frame", hint="film again")
    with pytest.raises(InputError):
        line.run()
    record = read_state(line).stages["prepare"]
    assert record.status is Status.FAILED
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("InputError", "no face in any frame")
    assert "no face in any frame" in (line.workspace.root / record.error.log).read_text()
    line.error = None
    assert line.reasons("prepare") == "resume: it failed (no face in any frame)"
    assert line.run() == ["prepare", "train", "export"]
    assert read_state(line).stages["prepare"].error is None


def test_an_interruption_is_a_result_and_the_next_run_goes_on(line) -> None:
    line.stop_after_epochs = 4
    assert line.run() == ["prepare", "train"]
    assert line.report.exit_code is ExitCode.INTERRUPTED
    assert read_state(line).stages["train"].status is Status.INTERRUPTED
    line.stop_after_epochs = None
    assert line.run() == ["train", "export"]
    assert line.report.exit_code is ExitCode.DONE
    assert read_state(line).stages["train"].attempts == 2


def test_a_raised_stop_flag_starts_nothing(line) -> None:
    stop = StopFlag()
    stop.raise_()
    report = Runner(line.order(), stop=stop).run()
    assert report.exit_code is ExitCode.INTERRUPTED
    assert line.ran == []


def test_force_starts_a_new_generation_and_keeps_the_old_one(line) -> None:
    line.run()
    assert line.run(force="retrain") == ["train"]
    first = line.contexts["train"].generation
    assert first > 0
    assert line.run(force="retrain") == ["train"]
    assert line.contexts["train"].generation > first
    assert (line.workspace.training("train") / "generation_0.txt").read_text() == "10"


def test_force_starts_over_even_when_every_record_is_lost(line) -> None:
    line.run()
    for path in (
        line.workspace.state_file,
        backup_of(line.workspace.state_file),
        *line.workspace.root.rglob("record.json"),
    ):
        path.unlink()
    assert "train" in line.run(force="retrain")
    assert line.contexts["train"].generation > 0


def test_a_killed_forced_run_goes_on_in_its_generation(line) -> None:
    line.run()
    line.stop_after_epochs = 3
    line.run(force="retrain")
    started = line.contexts["train"].generation
    line.stop_after_epochs = None
    assert line.run() == ["train"]
    assert line.contexts["train"].generation == started > 0


def test_a_stage_that_breaks_its_promise_fails(line, monkeypatch) -> None:
    monkeypatch.setattr(sys.modules[WORK_MODULE], "export", lambda context: StageResult(Outcome.FINISHED))
    with pytest.raises(StageError, match=r"ended without .*model\.bin"):
        line.run()
    assert read_state(line).stages["export"].status is Status.FAILED


def test_two_runs_at_once_are_refused_with_the_holder(line) -> None:
    with (
        DatasetLock(line.workspace.lock_file, name="anna"),
        pytest.raises(LockError, match=r"being worked on by process \d+"),
    ):
        line.run()
    assert line.run() == ["prepare", "train", "export"]


def test_a_run_that_was_overtaken_while_it_stood_still_writes_nothing_more(line, monkeypatch) -> None:
    def be_overtaken(context) -> StageResult:
        number = read_top(folder).number
        other = msgspec.structs.replace(current_holder(), host="gpu1")
        (folder / f"{number + 1:012d}").write_bytes(msgspec.json.encode(Note("theirs", other)))
        before.append(line.workspace.state_file.read_bytes())
        context.journal(epochs=1, step=0)
        return StageResult(Outcome.FINISHED)

    folder, before, stop = lease_folder(line.workspace.lock_file), [], StopFlag()
    monkeypatch.setattr(sys.modules[WORK_MODULE], "train", be_overtaken)
    with pytest.raises(LockError, match="on gpu1 took over") as caught:
        Runner(line.order(runtime__lock="lease"), stop=stop).run()
    assert caught.value.exit_code == 3
    assert stop.is_raised()
    assert [line.workspace.state_file.read_bytes()] == before
    assert read_top(folder).note.nonce == "theirs"


def test_an_overtaken_run_that_only_stops_is_not_called_interrupted(line, monkeypatch) -> None:
    def be_overtaken(context) -> StageResult:
        number = read_top(folder).number
        (folder / f"{number + 1:012d}").write_bytes(msgspec.json.encode(Note("theirs")))
        return StageResult(Outcome.INTERRUPTED)

    folder = lease_folder(line.workspace.lock_file)
    monkeypatch.setattr(sys.modules[WORK_MODULE], "prepare", be_overtaken)
    with pytest.raises(LockError, match="no longer belongs to this run"):
        line.run(runtime__lock="lease")


def test_a_lost_state_is_rebuilt_from_what_is_on_disk(line) -> None:
    line.run()
    line.workspace.state_file.write_bytes(b"\x00" * 100)
    backup_of(line.workspace.state_file).write_bytes(b"{")
    assert line.run() == []
    assert read_state(line).stages["train"].epochs == 10
    assert list(line.workspace.dataset.glob("*.set-aside-*"))


def test_the_backup_serves_when_the_state_is_torn(line) -> None:
    line.run()
    whole = line.workspace.state_file.read_bytes()
    line.workspace.state_file.write_bytes(whole[: len(whole) // 2])
    assert line.run() == []
    assert read_state(line).stages["train"].status is Status.DONE


def test_a_newer_schema_is_refused_without_writing(line) -> None:
    line.run()
    newer = json.dumps({"schema_version": 999, "future": True}).encode()
    line.workspace.state_file.write_bytes(newer)
    with pytest.raises(StateError, match="newer synctalk"):
        line.run()
    assert line.workspace.state_file.read_bytes() == newer


def test_the_older_pipelines_file_is_migrated_and_kept(line) -> None:
    older = {"preprocessing": {"completed": True, "steps": {}}, "main_training": {"completed": True, "epochs": 100}}
    line.workspace.state_file.write_text(json.dumps(older))
    assert line.run() == ["prepare", "train", "export"]
    (kept,) = line.workspace.dataset.glob("*.set-aside-*")
    assert json.loads(kept.read_text()) == older
    assert read_state(line).stages["main"].epochs == 100


def test_until_stops_after_the_stage(line) -> None:
    assert line.run(until="train") == ["prepare", "train"]
    assert line.run() == ["export"]


def test_a_missing_input_is_the_users_to_mend(line) -> None:
    (line.workspace.dataset / "source.txt").unlink()
    with pytest.raises((InputError, FileNotFoundError)):
        line.run()


def test_an_error_without_words_does_not_block_the_dataset(line) -> None:
    line.error = AssertionError()
    with pytest.raises(AssertionError):
        line.run()
    assert line.reasons("prepare") == "resume: it failed (AssertionError)"
    line.error = None
    assert line.run() == ["prepare", "train", "export"]


def test_a_disk_that_refuses_a_library_is_reported_as_a_disk(line) -> None:
    line.error = OSError(errno.EIO, "Input/output error")
    with pytest.raises(StorageError, match="Input/output error"):
        line.run()
    assert read_state(line).stages["prepare"].error.type == "StorageError"
    line.error = OSError(errno.ECONNREFUSED, "Connection refused")
    with pytest.raises(ConnectionRefusedError, match="Connection refused"):
        line.run()


def test_a_restart_is_told_with_the_stage_that_goes_on(line) -> None:
    line.stop_after_epochs = 4
    line.run()
    line.stop_after_epochs = None
    Runner(line.order(), restart_reason="restart 1 of 5: it was killed").run()
    stages = read_state(line).stages
    assert stages["train"].reasons[-1] == "restart 1 of 5: it was killed"
    assert not [name for name in ("prepare", "export") if "restart 1 of 5: it was killed" in stages[name].reasons]


def test_a_stage_that_is_stopped_in_the_middle_of_something_is_interrupted(line) -> None:
    line.error = StoppedError()
    assert line.run() == ["prepare"]
    assert line.report.exit_code is ExitCode.INTERRUPTED
    record = read_state(line).stages["prepare"]
    assert (record.status, record.error) == (Status.INTERRUPTED, None)


def test_a_stage_that_waited_for_space_in_vain_is_interrupted(line) -> None:
    line.error = SuspendedError("cannot write x: No space left on device")
    with pytest.raises(SuspendedError):
        line.run()
    record = read_state(line).stages["prepare"]
    assert (record.status, record.error.message) == (Status.INTERRUPTED, "cannot write x: No space left on device")
    line.error = None
    assert line.run() == ["prepare", "train", "export"]


def test_a_state_that_does_not_fit_is_written_when_there_is_space(line, monkeypatch) -> None:
    monkeypatch.setattr(faults, "_passed", type(faults._passed)())
    monkeypatch.setenv(faults.FAIL_VARIABLE, "files.write:20:ENOSPC")
    assert line.run(runtime__disk_wait_s=1) == ["prepare", "train", "export"]
    assert faults._passed["files.write"] > 20
    assert {record.status for record in read_state(line).stages.values()} == {Status.DONE}
