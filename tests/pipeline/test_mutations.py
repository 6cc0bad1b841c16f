"""What can happen to a finished face, and what each stage then has to do, with the reason a user reads.

The declarations are those of the face line: its inputs, settings, outputs and versions, its command line and state.
Only the work is instant, so that several hundred mutations take seconds. Each one has to be noticed, or not, by a plan
and by a run whose last look was sealed; the run has to do what the plan said, and afterwards nothing may be left to do.
"""

from __future__ import annotations

import dataclasses
import json
import mmap
import os
import re
import shutil
import sys
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from synctalk import lines, seal
from synctalk.cli import main
from synctalk.config import Settings, load_settings
from synctalk.digest import digest_of_fields
from synctalk.outcome import Outcome
from synctalk.pipeline import stat_cache
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.stage import Stage, StageContext, StageResult
from synctalk.state import backup_of
from synctalk.workspace import Workspace

WORK_MODULE = "synctalk.instant_face_work"
STAGES = ("preprocess", "syncnet", "main")
VERDICTS = {"skipped": "skip", "running": "run", "continuing": "resume"}
DONE = {
    "preprocess": "skip: nothing changed since it was done",
    "syncnet": "skip: nothing changed since it was done (30 of 30 epochs)",
    "main": "skip: nothing changed since it was done (100 of 100 epochs)",
}
NAMED = {"syncnet.initial": "initial.pth", "main.asr_model": "asr", "main.vgg_weights": "vgg.pth"}


@dataclass
class Place:
    """A root with the finished dataset anna in it."""

    root: Path
    words: list[str] = field(default_factory=list)
    name: str = "anna"
    graph: StageGraph = lines.FACE

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root, self.name)

    @property
    def video(self) -> Path:
        return self.workspace.dataset / "source.mp4"

    @property
    def state(self) -> Path:
        return self.workspace.state_file

    def output(self, path: str) -> Path:
        return self.root / path

    def models(self, name: str) -> Path:
        return self.root / "models" / name

    def change_record(self, stage: str, **facts: Any) -> None:
        """Write other facts into the state file and the copy beside the results."""
        raw = json.loads(self.state.read_bytes())
        raw["stages"][stage] |= facts
        raw["digest"] = digest_of_fields(raw)
        self.state.write_text(json.dumps(raw))

    def set_stage(self, name: str, **facts: Any) -> None:
        """Let the program be another one, in memory and on the disk: the stage `name` declares `facts`."""
        append(Path(str(sys.modules[WORK_MODULE].__file__)))
        changed = [dataclasses.replace(s, **facts) if s.name == name else s for s in self.graph.stages]
        self.graph = StageGraph.build("face", changed)

    def say(self, *words: str) -> None:
        self.words += words


@dataclass(frozen=True)
class Case:
    """One mutation of a finished dataset and the right decisions after it; stages that are not named are skipped."""

    title: str
    mutate: Callable[[Place], object]
    expected: dict[str, str] = field(default_factory=dict)
    has_named_files: bool = field(default=False, kw_only=True)
    is_repeated: bool = field(default=False, kw_only=True)
    """Whether the same command does the same again, as `--force` does."""


# ----------------------------------------------------------------------------------------------------- single mutations


def edit(path: Path, *, at: int) -> None:
    """Another byte at a place, in the file itself."""
    with path.open("r+b") as stream:
        stream.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        byte = stream.read(1)[0]
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 0x20]))


def edit_mapped(path: Path) -> None:
    with path.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as memory:
        memory[7] ^= 1


def restoring_times(change: Callable[[Path], object], path: Path) -> None:
    stat = path.stat()
    change(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def truncate(path: Path, *, by: int = 1) -> None:
    os.truncate(path, path.stat().st_size - by)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def edit_and_undo(path: Path) -> None:
    edit(path, at=3)
    edit(path, at=3)


def touch(path: Path, *, s: int | None = None) -> None:
    os.utime(path, None if s is None else (s, s))


def replace_by_copy(path: Path, *, change: Callable[[Path], object] = lambda path: None) -> None:
    """As an editor or a synchronisation saves: a new file takes the name."""
    copy = path.with_name(f".{path.name}.new")
    shutil.copy2(path, copy)
    restoring_times(change, copy)
    copy.replace(path)


def replace_by_link(path: Path, link: Callable[[Path, Path], object]) -> None:
    elsewhere = path.parent.parent / f"elsewhere-{path.name}"
    shutil.move(path, elsewhere)
    link(elsewhere, path)


def replace_by_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def add_hard_link(path: Path) -> None:
    os.link(path, path.parent.parent / f"also-{path.name}")


ALTERING: dict[str, Callable[[Path], object]] = {
    "first byte": partial(edit, at=0),
    "middle byte": partial(edit, at=2500),
    "last byte": partial(edit, at=-1),
    "first byte, time restored": partial(restoring_times, partial(edit, at=0)),
    "middle byte, time restored": partial(restoring_times, partial(edit, at=2500)),
    "last byte, time restored": partial(restoring_times, partial(edit, at=-1)),
    "mapped into memory": edit_mapped,
    "mapped into memory, time restored": partial(restoring_times, edit_mapped),
    "one byte more": append,
    "one byte more, time restored": partial(restoring_times, append),
    "one byte less": truncate,
    "one byte less, time restored": partial(restoring_times, truncate),
    "half": partial(truncate, by=2500),
    "other file of the same size and time": partial(replace_by_copy, change=partial(edit, at=9)),
    "other file of another size": partial(replace_by_copy, change=append),
}
HARMLESS: dict[str, Callable[[Path], object]] = {
    "touched": touch,
    "touched into the past": partial(touch, s=1),
    "touched into the future": partial(touch, s=4_000_000_000),
    "edited and undone": edit_and_undo,
    "other permissions": lambda path: path.chmod(0o600),
    "read-only": lambda path: path.chmod(0o444),
    "equal copy": replace_by_copy,
    "symlink to itself elsewhere": lambda path: replace_by_link(path, lambda old, new: new.symlink_to(old)),
    "hard link to itself elsewhere": lambda path: replace_by_link(path, os.link),
    "one more hard link": add_hard_link,
}

# ------------------------------------------------------------------------------------------------- source and outputs

ALL_AGAIN = {
    "syncnet": "run: stage preprocess before it changed",
    "main": "run: stage preprocess before it changed; stage syncnet before it changed",
}
NEW_SOURCE = {"preprocess": "run: input source video changed", **ALL_AGAIN}
OUTPUTS = {stage.name: [str(path) for path in stage.outputs(Workspace(Path(), "anna"))] for stage in lines.FACE.stages}
SPOILED = "is not as it was made"
DAMAGING: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "is missing"),
    "empty": (empty, SPOILED),
    "shorter": (truncate, SPOILED),
    "edited, time restored": (partial(restoring_times, partial(edit, at=5)), SPOILED),
    "replaced": (partial(replace_by_copy, change=partial(edit, at=-1)), SPOILED),
    "dangling link": (replace_by_dangling_link, "is missing"),
}


def on_video(change: Callable[[Path], object]) -> Callable[[Place], object]:
    return lambda place: change(place.video)


def on_output(change: Callable[[Path], object], path: str) -> Callable[[Place], object]:
    return lambda place: change(place.output(path))


def source_cases() -> Iterator[Case]:
    for title, change in ALTERING.items():
        yield Case(f"source: {title}", on_video(change), NEW_SOURCE)
    for title, change in HARMLESS.items():
        yield Case(f"source: {title}", on_video(change))
    for name in ("source.mov", "anna.mp4", "a holiday.MP4", "source.webm"):
        yield Case(f"source: renamed to {name}", on_video(lambda path, name=name: path.rename(path.with_name(name))))
    yield Case(
        "source: renamed and edited",
        on_video(lambda path: edit(path.rename(path.with_name("anna.mp4")), at=0)),
        NEW_SOURCE,
    )


def output_cases() -> Iterator[Case]:
    for stage, paths in OUTPUTS.items():
        again = "run" if stage == "preprocess" else "resume"
        for path in paths:
            for title, (change, words) in DAMAGING.items():
                reason = {stage: f"{again}: output {path} {words}"}
                yield Case(f"{stage}/{Path(path).name}: {title}", on_output(change, path), reason)
        for path, (title, change) in zip(paths * 4, HARMLESS.items(), strict=False):
            yield Case(f"{stage}/{Path(path).name}: {title}", on_output(change, path))
    yield Case(
        "all outputs of a stage are gone",
        lambda place: shutil.rmtree(place.workspace.training("main")),
        {"main": "resume: " + "; ".join(f"output {path} is missing" for path in OUTPUTS["main"])},
    )
    yield Case(
        "outputs of two stages are damaged",
        lambda place: (empty(place.output(OUTPUTS["preprocess"][1])), place.output(OUTPUTS["main"][0]).unlink()),
        {
            "preprocess": f"run: output {OUTPUTS['preprocess'][1]} {SPOILED}",
            "main": f"resume: output {OUTPUTS['main'][0]} is missing",
        },
    )
    yield Case(
        "outputs have changed places",
        lambda place: swap(*(place.output(path) for path in OUTPUTS["preprocess"][1:3])),
        {"preprocess": "run: " + "; ".join(f"output {path} {SPOILED}" for path in OUTPUTS["preprocess"][1:3])},
    )


def swap(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


# ----------------------------------------------------------------------------------------------------------- settings

NOT_COMPARED = {"preset", "main.arch", "main.asr", "main.epochs", "syncnet.epochs", *NAMED}
STANDARD = load_settings(Path("none"))


def other_settings() -> Iterator[tuple[str, object, object]]:
    """Dotted name, value and another allowed value of every setting that is a plain value."""
    for section, leaf, kind, now in plain_settings():
        if f"{section}{leaf}" in NOT_COMPARED:
            continue
        if typing.get_origin(kind) is typing.Literal:
            yield f"{section}{leaf}", now, next(value for value in typing.get_args(kind) if value != now)
        elif isinstance(now, bool):
            yield f"{section}{leaf}", now, not now
        elif isinstance(now, int):
            (meta,) = kind.__metadata__
            yield f"{section}{leaf}", now, now + (meta.multiple_of or 1)
        elif isinstance(now, float):
            yield f"{section}{leaf}", now, now * 0.9


def plain_settings() -> Iterator[tuple[str, str, Any, Any]]:
    sections = {"": STANDARD} | {
        f"{name}.": value
        for name in Settings.__struct_fields__
        if isinstance(value := getattr(STANDARD, name), msgspec.Struct)
    }
    for prefix, section in sections.items():
        hints = typing.get_type_hints(type(section), include_extras=True)
        for leaf in section.__struct_fields__:
            if not isinstance(getattr(section, leaf), msgspec.Struct):
                yield prefix, leaf, hints[leaf], getattr(section, leaf)


def after_setting(name: str, old: object, new: object) -> dict[str, str]:
    """Who has to work again when a setting changes, by the section it stands in."""
    section, _, leaf = name.rpartition(".")
    reason = f"run: setting {leaf} changed from {old} to {new}"
    if name == "target_hours":  # decides how long a training runs, not what it is
        return {}
    return {
        **{apart: {} for apart in ("runtime", "prepare", "vits", "align", "kokoro", "feedback", "voice")},
        "": {"syncnet": reason, "main": f"{reason}; stage syncnet before it changed"},
        "preprocess": {"preprocess": reason, **ALL_AGAIN},
        "syncnet": {"syncnet": reason, "main": "run: stage syncnet before it changed"},
        "main": {"main": reason},
    }[section]


def write_settings(place: Place, text: str) -> None:
    place.workspace.settings_file.write_text(text)


def as_toml(name: str, value: object) -> str:
    section, _, leaf = name.rpartition(".")
    return (f"[{section}]\n" if section else "") + f"{leaf} = {json.dumps(value)}\n"


def setting_cases() -> Iterator[Case]:
    for name, old, new in other_settings():
        expected = after_setting(name, old, new)
        yield Case(f"--set {name}={new}", lambda place, s=f"{name}={new}": place.say("--set", s), expected)
        yield Case(
            f"{name} = {new} in the file", lambda place, n=name, v=new: write_settings(place, as_toml(n, v)), expected
        )
        if name.startswith("main."):
            yield Case(f"--set {name}={old}, as it was", lambda place, s=f"{name}={old}": place.say("--set", s))
    yield Case("the preset it has", lambda place: place.say("--preset", "standard"))
    yield Case("the preset it has, in the file", lambda place: write_settings(place, 'preset = "standard"\n'))
    yield Case("a settings file with a comment", lambda place: write_settings(place, "# nothing\n"))
    yield Case("a whole number for a fraction", lambda place: place.say("--set", "syncnet.clip_norm=1"))
    yield Case("the file undone by an option", override_file)
    yield Case("the preset draft", lambda place: place.say("--preset", "draft"), PRESET_DRAFT)
    yield Case("the preset draft in the file", lambda place: write_settings(place, 'preset = "draft"\n'), PRESET_DRAFT)
    yield Case("the preset high", lambda place: place.say("--preset", "high"), PRESET_HIGH)


def override_file(place: Place) -> None:
    write_settings(place, as_toml("main.lr", 0.5))
    place.say("--set", "main.lr=0.001")


UPSTREAM = "stage preprocess before it changed"
PRESET_DRAFT = {
    "preprocess": "run: setting size_px changed from 192 to 128",
    "syncnet": f"run: setting batch_size changed from 32 to 16; setting lr changed from 0.0005 to 0.001; {UPSTREAM}",
    "main": "run: setting batch_size changed from 8 to 4; setting channels changed from 64 to 32; "
    "setting ema_decay changed from 0.995 to 0.99; setting lr changed from 0.001 to 0.002; "
    f"{UPSTREAM}; stage syncnet before it changed",
}
PRESET_HIGH = {
    "preprocess": "run: setting size_px changed from 192 to 320",
    "syncnet": f"run: {UPSTREAM}",
    "main": f"run: setting channels changed from 64 to 96; {UPSTREAM}; stage syncnet before it changed",
}

# -------------------------------------------------------------------------------------------- files named by settings


def named_file_cases() -> Iterator[Case]:
    def case(title: str, change: Callable[[Place], object], expected: dict[str, str] | None = None) -> Case:
        return Case(f"named: {title}", change, expected or {}, has_named_files=True)

    on_initial = {
        "syncnet": "run: input syncnet.initial changed",
        "main": "run: stage syncnet before it changed",
    }
    for title, change in ALTERING.items():
        yield case(
            f"vgg weights: {title}",
            lambda place, change=change: change(place.models("vgg.pth")),
            {"main": "run: input main.vgg_weights changed"},
        )
    for title, change in HARMLESS.items():
        yield case(f"vgg weights: {title}", lambda place, change=change: change(place.models("vgg.pth")))
    yield case("another first SyncNet", lambda place: append(place.models("initial.pth")), on_initial)
    yield case(
        "a file more in the folder",
        lambda place: place.models("asr/more.json").write_text("{}"),
        {"main": "run: input main.asr_model/more.json is new"},
    )
    yield case(
        "a file less in the folder",
        lambda place: place.models("asr/config.json").unlink(),
        {"main": "run: input main.asr_model/config.json is gone"},
    )
    yield case(
        "a file of the folder renamed",
        lambda place: place.models("asr/config.json").rename(place.models("asr/other.json")),
        {"main": "run: input main.asr_model/config.json is gone; input main.asr_model/other.json is new"},
    )
    yield case(
        "files of the folder have changed places",
        lambda place: swap(place.models("asr/config.json"), place.models("asr/weights.bin")),
        {"main": "run: input main.asr_model/config.json changed; input main.asr_model/weights.bin changed"},
    )
    yield case(
        "all files of the folder gone",
        lambda place: [path.unlink() for path in place.models("asr").iterdir()],
        {"main": "run: input main.asr_model/config.json is gone; input main.asr_model/weights.bin is gone"},
    )
    yield case("a folder inside the folder", lambda place: place.models("asr/cache").mkdir())
    yield case("the folder moved", move_models)
    yield case(
        "not named any more",
        lambda place: place.say("--set", "main.vgg_weights="),
        {"main": "run: input main.vgg_weights is gone"},
    )
    yield Case(
        "named: for the first time",
        lambda place: place.say("--set", f"main.vgg_weights={place.models('vgg.pth')}"),
        {"main": "run: input main.vgg_weights is new"},
    )


def move_models(place: Place) -> None:
    moved = place.root / "moved"
    place.models("").rename(moved)
    place.say(*named_options(moved))


def named_options(folder: Path) -> list[str]:
    return [word for setting, name in NAMED.items() for word in ("--set", f"{setting}={folder / name}")]


# ----------------------------------------------------------------------------------------- program, state, surroundings


def work_of(stage: str) -> str:
    return f"{WORK_MODULE}:{stage}"


def program_cases() -> Iterator[Case]:
    version = "the stage itself changed from version 1 to 2"
    after = {
        "preprocess": ALL_AGAIN,
        "syncnet": {"main": "run: stage syncnet before it changed"},
        "main": {},
    }
    for stage, below in after.items():
        yield Case(
            f"version of {stage}",
            lambda place, stage=stage: place.set_stage(stage, version=2),
            {stage: f"run: {version}", **below},
        )
        more = f"{Path(OUTPUTS[stage][0]).parent}/more.bin"
        yield Case(
            f"{stage} promises one file more",
            lambda place, stage=stage, more=more: promise(place, stage, more),
            {stage: f"{'run' if stage == 'preprocess' else 'resume'}: output {more} is not recorded"},
        )
        yield Case(
            f"{stage} promises one file less",
            lambda place, stage=stage: place.set_stage(
                stage, outputs=lambda ws: [ws.root / path for path in OUTPUTS[stage][:-1]]
            ),
        )
    yield Case(
        "main no longer needs the SyncNet",
        lambda place: place.set_stage("main", needs=("preprocess",)),
        {"main": "run: stage syncnet is gone"},
    )
    yield Case(
        "versions of the libraries",
        lambda place: [place.change_record(stage, versions={"torch": "9.9", "python": "4.0"}) for stage in STAGES],
    )
    yield Case(
        "another machine made it",
        lambda place: [place.change_record(s, host="far", pid=1, command="x", seconds=9e9) for s in STAGES],
    )


def promise(place: Place, stage: str, more: str) -> None:
    place.set_stage(stage, outputs=lambda ws: [ws.root / path for path in (*OUTPUTS[stage], more)])


def state_cases() -> Iterator[Case]:
    def both(change: Callable[[Path], object]) -> Callable[[Place], object]:
        return lambda place: (change(place.state), change(backup_of(place.state)))

    damages: dict[str, Callable[[Path], object]] = {
        "gone": Path.unlink,
        "empty": empty,
        "torn": lambda path: os.truncate(path, path.stat().st_size // 2),
        "zeros": lambda path: path.write_bytes(bytes(4000)),
        "no object": lambda path: path.write_text("[]"),
    }
    for title, damage in damages.items():
        yield Case(f"state {title}", lambda place, damage=damage: damage(place.state))
        yield Case(f"state and backup {title}", both(damage))
        yield Case(f"backup {title}", lambda place, damage=damage: damage(backup_of(place.state)))
    yield Case(
        "state and one record gone",
        lambda place: (both(Path.unlink)(place), (place.workspace.training("main") / "record.json").unlink()),
        {"main": "run: it never ran"},
    )
    yield Case(
        "state put back from the backup",
        lambda place: shutil.copyfile(backup_of(place.state), place.state),
        {"main": "resume: it was interrupted after 100 of 100 epochs"},
    )
    for stage in ("syncnet", "main"):
        epochs = {"syncnet": 30, "main": 100}[stage]
        ended = f"after {epochs} of {epochs} epochs"
        yield from ending_cases(stage, {
            "running": f"resume: it was interrupted {ended}",
            "interrupted": f"resume: it was interrupted {ended}",
            "failed": f"resume: it failed (no space left) {ended}",
        })  # fmt: skip
    yield from ending_cases("preprocess", {
        "running": "resume: it was interrupted",
        "interrupted": "resume: it was interrupted",
        "failed": "resume: it failed (no space left)",
    })  # fmt: skip
    yield Case(
        "a record without outputs",
        lambda place: place.change_record("syncnet", outputs=[]),
        {"syncnet": "resume: " + "; ".join(f"output {path} is not recorded" for path in OUTPUTS["syncnet"])},
    )
    yield Case(
        "a stage that never started",
        lambda place: place.change_record("preprocess", started_at=""),
        {"preprocess": "run: it never ran; it never ran"},
    )


def ending_cases(stage: str, reasons: dict[str, str]) -> Iterator[Case]:
    error = {"type": "StorageError", "message": "no space left\nat all"}
    for status, reason in reasons.items():
        facts = {"status": status, "error": error if status == "failed" else None}
        yield Case(f"{stage} {status}", lambda place, f=facts: place.change_record(stage, **f), {stage: reason})


def surrounding_cases() -> Iterator[Case]:
    def in_dataset(change: Callable[[Path], object]) -> Callable[[Place], object]:
        return lambda place: change(place.workspace.dataset)

    for name in (".stat_cache.json", ".seal.json"):
        yield Case(f"{name} gone", in_dataset(lambda folder, name=name: (folder / name).unlink()))
        for title, change in {**ALTERING, "empty": empty}.items():
            if "middle" not in title and title != "half":
                yield Case(f"{name}: {title}", in_dataset(lambda folder, n=name, change=change: change(folder / n)))
    unrelated = (
        "notes.txt", ".hidden.mp4", "another.mp4", "logs/more.log", "face/notes.txt", ".lock.old",
        ".source.mp4.1-2.0123abcd.tmp", "face/.crops.npy.1-2.0123abcd.tmp",
    )  # fmt: skip
    for name in unrelated:
        yield Case(f"one file more: {name}", in_dataset(lambda folder, name=name: (folder / name).write_text("x")))
    yield Case("one folder more", in_dataset(lambda folder: (folder / "pictures.mp4").mkdir()))
    yield Case(
        "one checkpoint more", lambda place: (place.workspace.training("main") / "epoch_0100.pth").write_text("x")
    )
    yield Case("the records beside the results gone", lambda place: [
        (stage.folder(place.workspace) / "record.json").unlink() for stage in lines.FACE.stages
    ])  # fmt: skip
    yield Case("logs gone", in_dataset(lambda folder: shutil.rmtree(folder / "logs")))
    yield Case("the lock file gone", in_dataset(lambda folder: (folder / ".lock").unlink()))
    yield Case("the root moved", move_root)
    yield Case("the root moved and linked", lambda place: place.root.symlink_to(move_root(place, follow=False)))
    yield Case("the root copied", copy_root)
    yield Case("the dataset copied under another name", copy_dataset, {
        stage: f"{verdict}: " + "; ".join([
            *(f"output {path} belongs to another dataset" for path in OUTPUTS[stage]),
            *(f"output {path.replace('/anna/', '/bea/')} is not recorded" for path in OUTPUTS[stage]),
        ])
        for stage, verdict in (("preprocess", "run"), ("syncnet", "resume"), ("main", "resume"))
    })  # fmt: skip


def move_root(place: Place, *, follow: bool = True) -> Path:
    moved = place.root.with_name(f"{place.root.name}-moved")
    place.root.rename(moved)
    if follow:
        place.root = moved
    return moved


def copy_root(place: Place) -> None:
    place.root = Path(shutil.copytree(place.root, place.root.with_name(f"{place.root.name}-copy")))


def copy_dataset(place: Place) -> None:
    anna, place.name = place.workspace, "bea"
    shutil.copytree(anna.dataset, place.workspace.dataset)
    shutil.copytree(anna.checkpoint, place.workspace.checkpoint)


# -------------------------------------------------------------------------------------------------- epochs and wishes


def epoch_cases() -> Iterator[Case]:
    enough = "skip: 100 of {} epochs are sufficient; --continue_training finishes them"
    raised = "resume: the target was raised to {} epochs; 100 are done"
    for target, plain, wished in (
        (1, None, None), (50, None, None), (99, None, None), (100, None, None),
        (101, enough, raised), (110, enough, raised), (111, enough, raised),
        (112, raised, raised), (200, raised, raised),
    ):  # fmt: skip
        done = f"skip: nothing changed since it was done (100 of {target} epochs)"
        for words, reason in ((), plain), (("--continue_training",), wished):
            yield Case(
                f"--epochs {target} {' '.join(words)}",
                lambda place, target=target, words=words: place.say("--epochs", str(target), *words),
                {"main": (reason or done).format(target)},
            )
    yield Case(
        "a larger target of the SyncNet",
        lambda place: place.say("--set", "syncnet.epochs=60"),
        {"syncnet": "resume: the target was raised to 60 epochs; 30 are done"},
    )
    for epochs in (0, 50, 89, 90, 91, 95, 99):
        yield from interruption_cases(epochs)
    lost = OUTPUTS["main"][0]
    for title, change in (("missing", Path.unlink), ("empty", empty)):
        yield Case(
            f"interrupted past ninety percent and the result is {title}",
            lambda place, c=change: (c(place.output(lost)), interrupt(place, 95)),
            {"main": f"resume: output {lost} is missing"},
        )


def interruption_cases(epochs: int) -> Iterator[Case]:
    going_on = f"resume: it was interrupted after {epochs} of 100 epochs"
    enough = f"skip: {epochs} of 100 epochs are sufficient; --continue_training finishes them"
    yield Case(f"interrupted after {epochs}", lambda place: interrupt(place, epochs), {
        "main": enough if epochs > 90 else going_on,
    })  # fmt: skip
    yield Case(
        f"interrupted after {epochs}, to be continued",
        lambda place: (interrupt(place, epochs), place.say("--continue_training")),
        {"main": going_on},
    )


def interrupt(place: Place, epochs: int) -> None:
    place.change_record("main", status="interrupted", epochs=epochs, outputs=[])


def wish_cases() -> Iterator[Case]:
    forced = "run: asked for by --force"
    for words, stages in (
        (["--force"], ["syncnet", "main"]), (["--force", "retrain"], ["syncnet", "main"]),
        (["--force", "all"], STAGES), (["--force", "preprocess"], ["preprocess"]),
        (["--force", "syncnet"], ["syncnet"]), (["--force", "main"], ["main"]),
        (["--until", "syncnet", "--force", "retrain"], ["syncnet"]),
        (["--until", "preprocess", "--force", "main"], []),
    ):  # fmt: skip
        yield Case(
            " ".join(words), lambda place, words=words: place.say(*words), dict.fromkeys(stages, forced),
            is_repeated=True,
        )  # fmt: skip
    yield Case(
        "--force of a damaged stage",
        lambda place: (empty(place.output(OUTPUTS["main"][0])), place.say("--force", "main")),
        {"main": forced},
        is_repeated=True,
    )
    for until in STAGES:
        known = STAGES[: STAGES.index(until) + 1]
        yield Case(f"--until {until}", lambda place, until=until: place.say("--until", until))
        yield Case(
            f"--until {until} of a changed source",
            lambda place, until=until: (append(place.video), place.say("--until", until)),
            {stage: NEW_SOURCE[stage] for stage in known},
        )
    yield Case("--video of itself", lambda place: place.say("--video", str(place.video)))
    yield Case("--video of an equal file", lambda place: place.say("--video", str(outside(place, b""))))
    yield Case("--budget", lambda place: place.say("--budget", "1h"))


def outside(place: Place, more: bytes) -> Path:
    copy = place.root / "recording.mp4"
    copy.write_bytes(place.video.read_bytes() + more)
    return copy


# ---------------------------------------------------------------------------------------------------------- the table

CASES: list[Case] = [
    case
    for cases in (
        source_cases, output_cases, setting_cases, named_file_cases, program_cases, state_cases, surrounding_cases,
        epoch_cases, wish_cases,
    )
    for case in cases()
]  # fmt: skip


def work(stage: Stage, context: StageContext) -> StageResult:
    """Make every promised file from what the fingerprint says, at once."""
    for path in context_outputs(stage, context):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(f"{path.name} {context.fingerprint} {context.generation}\n" * 20)
    if stage.target_epochs is not None:
        context.journal(epochs=stage.target_epochs(context.workspace, context.settings), step=0)
    return StageResult(Outcome.FINISHED)


def context_outputs(stage: Stage, context: StageContext) -> Iterable[Path]:
    (declared,) = (found for found in lines.LINES["face"].stages if found.name == stage.name)
    return declared.outputs(context.workspace)


@pytest.fixture(autouse=True)
def instant_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The face line with instant work, on a disk that is never waited for."""
    module = ModuleType(WORK_MODULE)
    module.__file__ = str(tmp_path / "instant_face_work.py")
    Path(module.__file__).write_text("# a file of the program")
    for stage in lines.FACE.stages:
        setattr(module, stage.name, partial(work, stage))
    monkeypatch.setitem(sys.modules, WORK_MODULE, module)
    instant = [dataclasses.replace(stage, work=work_of(stage.name)) for stage in lines.FACE.stages]
    monkeypatch.setitem(lines.LINES, "face", StageGraph.build("face", instant))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    # The copies of the finished dataset were made just now; a second is a long time here.
    monkeypatch.setattr(seal, "RACY_NS", 1_000_000)
    monkeypatch.setattr(stat_cache, "RACY_NS", 1_000_000)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Where the finished datasets are copied from; they are made by the first test that needs them."""
    return {has_named: tmp_path_factory.mktemp("finished") / "root" for has_named in (False, True)}


@pytest.fixture
def place(request: pytest.FixtureRequest, finished: dict[bool, Path], tmp_path: Path) -> Place:
    has_named = getattr(request, "param", False)
    template = finished[has_named]
    if not template.exists():
        make_finished(template, has_named=has_named)
    root = Path(shutil.copytree(template, tmp_path / "root"))
    return Place(root, named_options(root / "models") if has_named else [], graph=lines.LINES["face"])


def make_finished(root: Path, *, has_named: bool) -> None:
    (root / "dataset" / "anna").mkdir(parents=True)
    (root / "dataset" / "anna" / "source.mp4").write_bytes(bytes(range(250)) * 20)
    for name in ("initial.pth", "vgg.pth", "asr/config.json", "asr/weights.bin"):
        (root / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "models" / name).write_bytes(name.encode() * 1000)
    assert main(["run", "anna", "--root", str(root), *(named_options(root / "models") if has_named else [])]) == 0


def plan(place: Place, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    words = [word for word in place.words if word not in {"--video", "--budget", "1h"} and "recording" not in word]
    words = [word for word in words if word != str(place.video)]
    capsys.readouterr()
    assert main(["explain", place.name, "--root", str(place.root), *words, "--json"]) == 0
    decisions = json.loads(capsys.readouterr().out)
    return {decision["stage"]: f"{decision['verdict']}: {'; '.join(decision['reasons'])}" for decision in decisions}


def run(place: Place, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    capsys.readouterr()
    assert main(["run", place.name, "--root", str(place.root), *place.words]) == 0
    told = re.findall(r"^(\w+): (skipped|running|continuing): (.*)$", capsys.readouterr().err, re.MULTILINE)
    return {stage: f"{VERDICTS[action]}: {reasons}" for stage, action, reasons in told}


def expected_of(case: Case, place: Place) -> dict[str, str]:
    last = place.words[place.words.index("--until") + 1] if "--until" in place.words else STAGES[-1]
    return {stage: case.expected.get(stage, DONE[stage]) for stage in STAGES[: STAGES.index(last) + 1]}


@pytest.mark.parametrize(
    ("case", "place"), [pytest.param(case, case.has_named_files, id=case.title) for case in CASES], indirect=["place"]
)
def test_a_mutation_has_the_right_consequences(case: Case, place: Place, capsys, monkeypatch) -> None:
    assert run(place, capsys) == DONE
    assert place.workspace.seal_file.is_file()
    case.mutate(place)
    monkeypatch.setitem(lines.LINES, "face", place.graph)
    expected = expected_of(case, place)
    assert plan(place, capsys) == expected
    assert run(place, capsys) == expected
    if not case.is_repeated:
        assert {decision.partition(":")[0] for decision in plan(place, capsys).values()} == {"skip"}


@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_batch_starts_no_process_where_nothing_is_to_do(place: Place, is_sealed: bool, capsys) -> None:
    if is_sealed:
        run(place, capsys)
    unclear = place.workspace.dataset.with_name("unclear")
    unclear.mkdir()
    for name in ("one.mp4", "two.mp4"):
        (unclear / name).write_bytes(b"")
    results = place.root / "results.json"
    assert main(["batch", "--root", str(place.root), "--results_file", str(results)]) == 1
    fresh, failed = json.loads(results.read_bytes())["results"]
    assert (fresh["status"], fresh["elapsed_time"]) == ("success", 0.0)
    assert fresh["stderr"].count("skipped: nothing changed since it was done") == len(STAGES)
    assert (failed["status"], failed["exit_code"]) == ("failed", 2)
    assert place.workspace.seal_file.is_file()


def test_the_table_is_long_and_names_each_mutation_once() -> None:
    titles = [case.title for case in CASES]
    assert len(titles) >= 200
    assert sorted(titles) == sorted(set(titles))
