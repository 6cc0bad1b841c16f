"""The lines of synctalk: which stages make a face or a voice, in which order, from what. Start reading here.

A stage is plain data; its work is named, not imported, so this page loads in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from synctalk.config import Settings, as_facts
from synctalk.errors import InputError
from synctalk.face.source import find_source
from synctalk.hours import read_hours
from synctalk.pipeline.graph import StageGraph
from synctalk.pipeline.stage import Stage
from synctalk.voice.correction_store import correction_files
from synctalk.voice.gridfiles import ALIGNMENTS, find_textgrids
from synctalk.voice.hub import cached_files, is_hub_name, revision_file
from synctalk.voice.recordings import find_recordings, recording_files
from synctalk.voice.versions import versions_folder, versions_path
from synctalk.workspace import Workspace

# A target decides how long a training runs, not what it is; of a named file the content counts, not its path.
_NOT_IN_A_RESULT = ("epochs", "initial", "asr_model", "vgg_weights")

# Younger than the first voices, which are what these settings make with their defaults; they are not made again.
_ADDED_TO_PREPARE = ("text",)
_ADDED_TO_VITS = ("discriminator",)


def _training_outputs(workspace: Workspace, stage: str) -> list[Path]:
    folder = workspace.training(stage)
    return [folder / "best.pth", folder / "training_log.json", folder / "loss_history.png"]


def _source_video(workspace: Workspace, _settings: Settings) -> dict[str, Path]:
    return {"source video": find_source(workspace)}


def _recordings(workspace: Workspace, _settings: Settings) -> dict[str, Path]:
    return recording_files(find_recordings(workspace))


def _alignments(workspace: Workspace, _settings: Settings) -> dict[str, Path]:
    return find_textgrids(find_recordings(workspace))


def _lacks_alignments(workspace: Workspace, settings: Settings) -> bool:
    return not _alignments(workspace, settings)


def _known_alignments(workspace: Workspace, settings: Settings) -> dict[str, Path]:
    """The TextGrids of the recordings or, where there are none, what the stage `align` found."""
    own = {"own alignments": workspace.training("align") / ALIGNMENTS}
    return _alignments(workspace, settings) or _existing(own)


def _existing(paths: Mapping[str, Path]) -> dict[str, Path]:
    """Those of some files that a stage before has made already."""
    return {label: path for label, path in paths.items() if path.is_file()}


def _named_files(paths: Mapping[str, str]) -> dict[str, Path]:
    """The files that settings name: each file, or every file of a folder."""
    found: dict[str, Path] = {}
    for setting, text in paths.items():
        path = Path(text)
        if text and not path.exists():
            raise InputError(f"setting {setting}: {text} does not exist", hint="docs/settings.md says what it names")
        if text and path.is_dir():
            found |= {f"{setting}/{part.name}": part for part in sorted(path.iterdir()) if part.is_file()}
        elif text:
            found[setting] = path
    return found


def _initial_voice(_workspace: Workspace, settings: Settings) -> dict[str, Path]:
    """The files of the voice that a training starts from; none while it has to be fetched from the hub."""
    text = settings.vits.initial
    if not is_hub_name(text):
        return _named_files({"vits.initial": text})
    return {f"vits.initial/{name}": path for name, path in cached_files(text).items()}


def _absent_voice(settings: Settings) -> list[str]:
    text = settings.vits.initial
    return [text] if is_hub_name(text) and not cached_files(text) else []


def _epochs_that_fit(workspace: Workspace, settings: Settings, stage: str, most_epochs: int) -> int:
    """What a training is to reach: all its epochs, or as many as its hours were found to allow."""
    hours = settings.target_hours and read_hours(workspace.training(stage), target_hours=settings.target_hours)
    return min(most_epochs, hours.epochs) if hours else most_epochs


def _preprocess_settings(settings: Settings) -> dict[str, object]:
    return as_facts(settings.preprocess)


def _prepare_settings(settings: Settings) -> dict[str, object]:
    return as_facts(settings.prepare, unless_default=_ADDED_TO_PREPARE)


def _syncnet_settings(settings: Settings) -> dict[str, object]:
    return {"seed": settings.seed, **as_facts(settings.syncnet, without=_NOT_IN_A_RESULT)}


def _main_settings(settings: Settings) -> dict[str, object]:
    return {"seed": settings.seed, **as_facts(settings.main, without=_NOT_IN_A_RESULT)}


def _vits_settings(settings: Settings) -> dict[str, object]:
    facts = as_facts(settings.vits, without=_NOT_IN_A_RESULT, unless_default=_ADDED_TO_VITS)
    return {"seed": settings.seed, **facts}


PREPROCESS = Stage(
    name="preprocess",
    version=1,
    needs=(),
    folder=lambda workspace: workspace.face,
    inputs=_source_video,
    outputs=lambda workspace: [
        workspace.face / name
        for name in (
            "aud.wav", "crops.npy", "boxes.npy", "landmarks.npy", "mel.npy", "source.json", "report.json", "report.png",
        )
    ],
    settings=_preprocess_settings,
    work="synctalk.face.preprocess:run_preprocess",
)  # fmt: skip

SYNCNET = Stage(
    name="syncnet",
    version=1,
    needs=("preprocess",),
    folder=lambda workspace: workspace.training("syncnet"),
    inputs=lambda _workspace, settings: _named_files({"syncnet.initial": settings.syncnet.initial}),
    outputs=lambda workspace: _training_outputs(workspace, "syncnet"),
    settings=_syncnet_settings,
    target_epochs=lambda _workspace, settings: settings.syncnet.epochs,
    work="synctalk.face.recipes:train_syncnet",
)

MAIN = Stage(
    name="main",
    version=1,
    needs=("preprocess", "syncnet"),
    folder=lambda workspace: workspace.training("main"),
    inputs=lambda _workspace, settings: _named_files(
        {"main.asr_model": settings.main.asr_model, "main.vgg_weights": settings.main.vgg_weights}
    ),
    outputs=lambda workspace: _training_outputs(workspace, "main"),
    settings=_main_settings,
    target_epochs=lambda workspace, settings: _epochs_that_fit(workspace, settings, "main", settings.main.epochs),
    work="synctalk.face.recipes:train_main",
)

PREPARE = Stage(
    name="prepare",
    version=1,
    needs=(),
    folder=lambda workspace: workspace.voice,
    inputs=_recordings,
    outputs=lambda workspace: [
        workspace.voice / name
        for name in ("clips.json", "audio.npy", "metadata.csv", "rejected.csv", "report.json", "report.png")
    ],
    settings=_prepare_settings,
    work="synctalk.voice.prepare:run_prepare",
)

VITS = Stage(
    name="vits",
    version=1,
    needs=("prepare",),
    folder=lambda workspace: workspace.training("vits"),
    inputs=_initial_voice,
    outputs=lambda workspace: _training_outputs(workspace, "vits"),
    settings=_vits_settings,
    target_epochs=lambda workspace, settings: _epochs_that_fit(workspace, settings, "vits", settings.vits.epochs),
    absent=_absent_voice,
    work="synctalk.voice.vits_stage:train_vits",
    fetch="synctalk.voice.hub:fetch_voice",
)

CORRECTIONS = Stage(
    name="corrections",
    version=1,
    needs=("prepare", "vits"),
    folder=lambda workspace: workspace.corrected,
    inputs=lambda workspace, _settings: correction_files(workspace.corrections),
    outputs=lambda workspace: [workspace.corrected / name for name in ("clips.json", "audio.npy", "rejected.csv")],
    settings=_prepare_settings,
    work="synctalk.voice.corrections_stage:run_corrections",
)

FEEDBACK_TRAINING = Stage(
    name="feedback",
    version=1,
    needs=("prepare", "vits", "corrections"),
    folder=lambda workspace: workspace.training("feedback"),
    inputs=lambda workspace, _settings: _existing({"trained voice": workspace.training("vits") / "best.pth"}),
    outputs=lambda workspace: [
        workspace.training("feedback") / "candidate.pth", *_training_outputs(workspace, "feedback")
    ],
    settings=lambda settings: {"seed": settings.seed, **as_facts(settings.feedback, without=_NOT_IN_A_RESULT)},
    target_epochs=lambda _workspace, settings: settings.feedback.epochs,
    work="synctalk.voice.feedback_stage:train_feedback",
)  # fmt: skip

PROMOTE = Stage(
    name="promote",
    version=1,
    needs=("feedback",),
    folder=versions_folder,
    inputs=lambda workspace, _settings: _existing({"candidate": workspace.training("feedback") / "candidate.pth"}),
    outputs=lambda workspace: [versions_folder(workspace) / "report.json"],
    settings=lambda _settings: {},
    work="synctalk.voice.promote_stage:run_promote",
)

EXPORT = Stage(
    name="export",
    version=1,
    needs=("vits",),
    folder=lambda workspace: workspace.training("export"),
    inputs=lambda workspace, _settings: _existing(
        {"trained voice": workspace.training("vits") / "best.pth", "versions": versions_path(workspace)}
    ),
    outputs=lambda workspace: [
        workspace.training("export") / "export.json",
        *sorted(workspace.training("export").glob("*.onnx*")),
    ],
    settings=lambda settings: as_facts(settings.voice),
    work="synctalk.voice.export_stage:run_export",
)

ALIGN = Stage(
    name="align",
    version=1,
    needs=("prepare",),
    folder=lambda workspace: workspace.training("align"),
    inputs=_alignments,
    outputs=lambda workspace: [
        workspace.training("align") / ALIGNMENTS,
        *(path for path in _training_outputs(workspace, "align") if path.is_file()),
    ],
    settings=lambda settings: {"seed": settings.seed, **as_facts(settings.align, without=_NOT_IN_A_RESULT)},
    target_epochs=lambda workspace, settings: settings.align.epochs if _lacks_alignments(workspace, settings) else 0,
    is_used=_lacks_alignments,
    work="synctalk.voice.align_stage:train_aligner",
)

KOKORO = Stage(
    name="kokoro",
    version=1,
    needs=("prepare", "align"),
    folder=lambda workspace: workspace.training("kokoro"),
    inputs=_known_alignments,
    outputs=lambda workspace: _training_outputs(workspace, "kokoro"),
    settings=lambda settings: {"seed": settings.seed, **as_facts(settings.kokoro, without=_NOT_IN_A_RESULT)},
    target_epochs=lambda workspace, settings: _epochs_that_fit(workspace, settings, "kokoro", settings.kokoro.epochs),
    work="synctalk.voice.kokoro_stage:train_kokoro",
)

FACE = StageGraph.build("face", (PREPROCESS, SYNCNET, MAIN))
VOICE = StageGraph.build("voice", (PREPARE, VITS, EXPORT))
KOKORO_VOICE = StageGraph.build("kokoro", (PREPARE, ALIGN, KOKORO))

FEEDBACK = StageGraph.build("feedback", (PREPARE, VITS, CORRECTIONS, FEEDBACK_TRAINING, PROMOTE, EXPORT))
"""Corrects a voice that is there, for `synctalk feedback`; the lines below make something from recordings."""

LINES = {line.name: line for line in (FACE, VOICE, KOKORO_VOICE)}


def find_line(name: str) -> StageGraph:
    """The line called `name`.

    Raises:
        InputError: There is none.
    """
    if name not in LINES:
        raise InputError(f"there is no line {name!r}", hint=f"choose one of: {', '.join(sorted(LINES))}")
    return LINES[name]


def every_stage() -> dict[str, Stage]:
    """The stages of all lines and of the correction of a voice, by their names."""
    return {stage.name: stage for graph in (*LINES.values(), FEEDBACK) for stage in graph.stages}


def named_paths(settings: Settings) -> list[Path]:
    """The files and folders outside the dataset that settings name."""
    initial = settings.vits.initial
    texts = (settings.syncnet.initial, settings.main.asr_model, settings.main.vgg_weights, initial)
    revision = revision_file(initial) if is_hub_name(initial) else None
    return [*(Path(text) for text in texts if text), *([revision] if revision else [])]
