"""Stands in for `synctalk feedback`: the real options, corrections, versions and report, without any network."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from argparse import Namespace

from synctalk import files
from synctalk.cli import build_parser
from synctalk.lock import DatasetLock
from synctalk.state import Best, Record, State, Status, new_state, read_state, save_state, utc_now
from synctalk.voice.comparison import FeedbackReport, Figures, write_report
from synctalk.voice.correction_store import keep_correction, read_corrections
from synctalk.voice.evaluation import VoiceEvaluation
from synctalk.voice.listing import Reason, Rejection
from synctalk.voice.metadata import read_metadata
from synctalk.voice.prepared_tables import REJECTED, write_rejected
from synctalk.voice.versions import Version, promote, read_versions, restore, versions_folder
from synctalk.workspace import Workspace

TRAINED = "f-0-3"
EPOCHS_FOR_THE_WORSE = 13


def finish_voice(workspace: Workspace) -> None:
    """What a run of the voice line leaves, as far as the pages look."""
    state = new_state(workspace.name)
    best = Best(epoch=3, metric="mel", value=0.5, path="checkpoint/anna/vits/best.pth")
    for stage in ("prepare", "vits", "export"):
        _note(state, stage, best=best if stage == "vits" else None)
    workspace.dataset.mkdir(parents=True, exist_ok=True)
    (workspace.dataset / "recordings").mkdir(exist_ok=True)
    save_state(workspace.state_file, state)
    files.write_bytes(files.make_folder(workspace.training("vits")) / "best.pth", b"x")


def execute(words: list[str]) -> int:
    """Learn or restore; 13 epochs make a voice worse, and a text with "fail" cannot be used."""
    args = build_parser(words[0]).parse_args(words)
    workspace = Workspace(args.root, args.name)
    sys.stdout.write(f"{json.dumps(words)}\n")
    with DatasetLock(workspace.lock_file, name=workspace.name):
        if args.restore is not None:
            restore(workspace, args.restore, trained=TRAINED if args.restore else "")
            return 0
        if args.recordings is not None and not _take_in(workspace, args):
            sys.stderr.write("synctalk: error: none of the recordings can be used\nhint: give others\n")
            return 2
        return _learn(workspace, args)


def _take_in(workspace: Workspace, args: Namespace) -> int:
    rows = read_metadata(args.recordings).rows
    bad = [row for row in rows if "fail" in row.text]
    files.make_folder(workspace.corrections)
    for row in rows:
        if row not in bad:
            keep_correction(workspace.corrections, hashlib.sha256(row.path.read_bytes()).hexdigest()[:16], row)
    rejections = [Rejection(row.source, 0, row.name, Reason.SIGNS, "this voice never learned €") for row in bad]
    write_rejected(workspace.corrections / REJECTED, rejections)
    return len(rows) - len(bad)


def _learn(workspace: Workspace, args: Namespace) -> int:
    count, epochs = len(read_corrections(workspace.corrections)), args.epochs or 3
    log = [
        {"epoch": epoch, "train": {"mel": 1 / epoch}, "held_out": {"mel": 2 / epoch}} for epoch in range(1, epochs + 1)
    ]
    files.write_json(files.make_folder(workspace.training("feedback")) / "training_log.json", log)
    time.sleep(0.5)  # a look of the server falls into it
    versions = read_versions(workspace)
    is_worse = epochs == EPOCHS_FOR_THE_WORSE
    number = versions.newest + (not is_worse)
    files.make_folder(versions_folder(workspace))
    if not is_worse:
        version = Version(
            number=number,
            made_of=f"c{number}",
            trained=TRAINED,
            previous=versions.current,
            corrections=count,
            epochs=epochs,
        )
        files.write_bytes(versions_folder(workspace) / f"version_{number:04d}.pth", b"x")
        promote(workspace, versions, version, trained=TRAINED)
    reasons = ["the held-out mel distance grew from 0.5 to 0.9 (at most 10% more is accepted)"] if is_worse else []
    write_report(workspace, _report(workspace, reasons, number=number, count=count, epochs=epochs))
    state = read_state(workspace.state_file, dataset=workspace.name).state
    for stage in ("corrections", "feedback", "promote", "export"):
        _note(state, stage)
    save_state(workspace.state_file, state)
    return 4 if is_worse else 0


def _note(state: State, stage: str, *, best: Best | None = None) -> None:
    state.stages[stage] = Record(status=Status.DONE, best=best, epochs=3, reasons=["it was due"], ended_at=utc_now())


def _report(workspace: Workspace, reasons: list[str], *, number: int, count: int, epochs: int) -> FeedbackReport:
    return FeedbackReport(
        dataset=workspace.name,
        verdict="rolled back" if reasons else "promoted",
        reasons=reasons,
        version=number,
        previous=0,
        corrections=count,
        replayed=2,
        epochs=epochs,
        before=_figures(0.5),
        after=_figures(0.9 if reasons else 0.49),
    )


def _figures(mel: float) -> Figures:
    evaluation = VoiceEvaluation(
        dataset="anna",
        model="best.pth",
        clips=5,
        unspoken=[],
        recogniser="none",
        mel_cepstral_distance_db=6.1,
        duration_ratio=1.02,
        duration_error=0.1,
        level_dbfs=-22.0,
        level_dbfs_true=-21.0,
        peak_dbfs=-3.0,
        peak_dbfs_true=-2.0,
        silent=0.0,
        clipped=0.0,
        real_time_factor=0.1,
    )
    return Figures(version=0, mel=mel, corrected_mel=mel / 2, evaluation=evaluation)
