"""Every decision is right and names its reason."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable

import pytest

from synctalk import faults
from synctalk.errors import InputError
from synctalk.pipeline.freshness import digest_of, name_changes
from synctalk.state import Fingerprint
from synctalk.workspace import Workspace


def test_a_second_run_skips_everything_with_reasons(line) -> None:
    assert line.run() == ["prepare", "train", "export"]
    assert line.run() == []
    assert line.reasons("prepare") == "skip: nothing changed since it was done"
    assert line.reasons("train") == "skip: nothing changed since it was done (10 of 10 epochs)"


MUTATIONS: list[tuple[str, Callable, dict, str, list[str], str]] = [
    ("touch", lambda ws: os.utime(ws.dataset / "source.txt"), {}, "prepare", [], "skip: nothing changed"),
    (
        "one byte of the input", lambda ws: (ws.dataset / "source.txt").write_text("abd"), {}, "prepare",
        ["prepare", "train", "export"], "run: input source.txt changed",
    ),
    (
        "a setting that matters", lambda ws: None, {"preprocess__size_px": 256}, "prepare",
        ["prepare", "train", "export"], "run: setting size_px changed from 192 to 256",
    ),
    (
        "a setting of the training", lambda ws: None, {"main__lr": 0.5}, "train",
        ["train", "export"], "run: setting lr changed from 0.001 to 0.5",
    ),
    (
        "a setting that does not matter", lambda ws: None, {"runtime__device": "cpu"}, "train", [],
        "skip: nothing changed",
    ),
    (
        "a missing output", lambda ws: (ws.face / "prepared.txt").unlink(), {}, "prepare", ["prepare"],
        "run: output dataset/anna/face/prepared.txt is missing",
    ),
    (
        "a truncated output", lambda ws: (ws.face / "prepared.txt").write_text("AB"), {}, "prepare", ["prepare"],
        "run: output dataset/anna/face/prepared.txt is not as it was made",
    ),
    (
        "an output of the same size", lambda ws: (ws.face / "prepared.txt").write_text("ABX"), {}, "prepare",
        ["prepare"], "run: output dataset/anna/face/prepared.txt is not as it was made",
    ),
    (
        "lost weights", lambda ws: (ws.training("train") / "best.pth").unlink(), {}, "train", ["train"],
        "resume: output checkpoint/anna/train/best.pth is missing",
    ),
    (
        "a larger target", lambda ws: None, {"main__epochs": 20}, "train", ["train"],
        "resume: the target was raised to 20 epochs; 10 are done",
    ),
    ("a smaller target", lambda ws: None, {"main__epochs": 5}, "train", [], "skip: nothing changed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mutate", "sets", "stage", "expected", "reason"), [m[1:] for m in MUTATIONS], ids=[m[0] for m in MUTATIONS]
)
def test_a_change_runs_just_what_depends_on_it(line, mutate, sets, stage, expected, reason) -> None:
    line.run()
    mutate(line.workspace)
    assert line.reasons(stage, **sets).startswith(reason)
    assert line.run(**sets) == expected


def test_the_plan_is_what_a_run_then_does(line) -> None:
    line.run()
    (line.workspace.dataset / "source.txt").write_text("xyz")
    planned = {stage: line.reasons(stage) for stage in ("prepare", "train", "export")}
    line.run()
    done = {d.stage.name: f"{d.verdict.value}: {'; '.join(d.reasons)}" for d in line.report.decisions}
    assert planned == done


@pytest.mark.parametrize(
    ("epochs_done", "cont", "target", "expected"),
    [
        (9, False, 10, "resume: it was interrupted after 9 of 10 epochs"),
        (10, False, 11, "skip: 10 of 11 epochs are sufficient; --continue_training finishes them"),
        (10, True, 11, "resume: it was interrupted after 10 of 11 epochs"),
        (90, False, 100, "resume: it was interrupted after 90 of 100 epochs"),
        (91, False, 100, "skip: 91 of 100 epochs are sufficient; --continue_training finishes them"),
    ],
)
def test_sufficient_means_past_ninety_percent(line, epochs_done, cont, target, expected) -> None:
    line.stop_after_epochs = epochs_done
    line.run(main__epochs=target)
    line.stop_after_epochs = None
    assert line.reasons("train", cont=cont, main__epochs=target) == expected


def test_a_fresh_training_goes_to_its_full_target(line) -> None:
    line.run(main__epochs=30)
    assert (line.workspace.training("train") / "generation_0.txt").read_text() == "30"


def test_digest_ignores_order_and_sees_every_part() -> None:
    one = Fingerprint(inputs={"a": "1", "b": "2"}, settings={"x": 1, "y": [1, 2]}, version=1, upstream={"p": "q"})
    same = Fingerprint(inputs={"b": "2", "a": "1"}, settings={"y": [1, 2], "x": 1}, version=1, upstream={"p": "q"})
    assert digest_of(one) == digest_of(same)
    others = [
        Fingerprint(inputs={"a": "1"}, settings=one.settings, version=1, upstream=one.upstream),
        Fingerprint(inputs=one.inputs, settings={"x": 2, "y": [1, 2]}, version=1, upstream=one.upstream),
        Fingerprint(inputs=one.inputs, settings=one.settings, version=2, upstream=one.upstream),
        Fingerprint(inputs=one.inputs, settings=one.settings, version=1, upstream={"p": "r"}),
    ]
    assert len({digest_of(f) for f in [one, *others]}) == 5
    assert all(list(name_changes(one, other)) for other in others)
    assert list(name_changes(one, same)) == []


def test_a_copied_dataset_never_takes_the_results_of_the_one_it_was_copied_from(line) -> None:
    line.run()
    anna, line.workspace = line.workspace, Workspace(line.workspace.root, "bea")
    shutil.copytree(anna.dataset, line.workspace.dataset)
    assert "belongs to another dataset" in line.reasons("train")
    assert line.run() == ["prepare", "train", "export"]
    assert (line.workspace.training("train") / "best.pth").exists()


def test_an_input_that_cannot_be_read_is_the_users_to_mend(line) -> None:
    line.run()
    source = line.workspace.dataset / "source.txt"
    source.unlink()
    source.symlink_to("/proc/self/mem")  # a file that opens and then refuses to be read, for every user
    with pytest.raises(InputError, match=r"cannot read .*source\.txt"):
        line.run()


def test_an_output_that_cannot_be_read_is_made_again(line) -> None:
    (line.workspace.dataset / "source.txt").write_text("")  # an output as long as the odd file claims to be
    line.run()
    output = line.workspace.face / "prepared.txt"
    output.unlink()
    output.symlink_to("/proc/self/mem")
    assert line.reasons("prepare") == "run: output dataset/anna/face/prepared.txt cannot be read (Input/output error)"


@pytest.mark.usefixtures("bound_by_permissions")
def test_an_output_that_may_not_be_read_is_made_again(line) -> None:
    line.run()
    (line.workspace.face / "prepared.txt").chmod(0)
    assert line.reasons("prepare") == "run: output dataset/anna/face/prepared.txt cannot be read (Permission denied)"


@pytest.mark.parametrize("point", range(2, 5))
def test_an_output_that_the_disk_refuses_once_is_not_made_again(
    line, point: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.run()
    line.workspace.stat_cache_file.unlink()  # every file is read again
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv(faults.FAIL_VARIABLE, f"files.hash:{point}:EIO")
    assert line.run() == []
    assert faults._passed["files.hash"] == 5, "one file was asked for twice"
