"""The work of the stage `export`: the best voice of a training becomes a Piper voice, spoken once before it counts."""

from __future__ import annotations

from pathlib import Path

from synctalk import files
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext, StageResult
from synctalk.voice.export import ExportOrder, export_voice
from synctalk.voice.trained import load_trained_voice

MANIFEST = "export.json"


def run_export(context: StageContext) -> StageResult:
    """Write the Piper voice of the best checkpoint into the stage's folder; what an earlier one left there goes.

    Raises:
        InputError: There is no trained voice, or the dataset's name cannot be that of a voice.
        StageError: The voice is broken; an earlier export stays.
        StorageError: The disk refused.
    """
    folder = context.workspace.training("export")
    voice = load_trained_voice(context.workspace)
    if context.should_stop():
        return StageResult(Outcome.INTERRUPTED)
    order = ExportOrder(format="piper", sample_text=context.settings.voice.sample_text)
    written = export_voice(voice, folder, order)
    for path in exported_files(folder):
        if path not in written:
            with files.translating_os_errors(path):
                path.unlink()
    facts = {"source": voice.source, "files": [path.name for path in written]}
    files.write_json(folder / MANIFEST, facts)
    return StageResult(Outcome.FINISHED, facts)


def exported_files(folder: Path) -> list[Path]:
    """The voices in a folder and what stands beside them, sorted."""
    return sorted(folder.glob("*.onnx*"))
