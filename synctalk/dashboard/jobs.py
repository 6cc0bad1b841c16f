"""What is asked of a trained face or voice: a sound, a video, both, or an export; and the words that make it so.

What a job makes lies in a folder of its own, `result/studio/ID/`, beside what was asked (`made.json`) and the text that
was spoken (`text.txt`): a text in a command line could be read by everybody on the machine.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

JobCommand = Literal["speak", "render", "talk", "export"]
ExportFormat = Literal["piper", "hf", "onnx"]
RESULTS = "result"
STUDIO = "studio"
TEXT_FILE = "text.txt"
NOTE_FILE = "made.json"


class Speech(msgspec.Struct, frozen=True, kw_only=True):
    """How something is said; None leaves it to the voice.

    Attributes:
        speaker: Name or number; '' for the first.
        speed: From 0.25 to 4.
        noise: How much the sound varies, from 0 to 2.
        duration_noise: How much the rhythm varies, from 0 to 2.
        seed: The same number gives the same sound.
    """

    speaker: str = ""
    speed: float | None = None
    noise: float | None = None
    duration_noise: float | None = None
    seed: int | None = None

    def words(self) -> list[str]:
        """As options of a command line."""
        told = {"speaker": self.speaker or None, "speed": self.speed, "noise": self.noise}
        told |= {"duration-noise": self.duration_noise, "seed": self.seed}
        return [f"--{name}={value}" for name, value in told.items() if value is not None]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to make.

    Attributes:
        text: What is said; '' where a sound is given.
        speech: How.
        voice: Who says it: a dataset, or the path of an exported voice below the root.
        sound: What the face says: the path of a sound below the root.
        mark: Whether 'synthetic' is written into the picture.
        export_format: For an export.
    """

    text: str = ""
    speech: Speech = Speech()
    voice: str = ""
    sound: str = ""
    mark: bool = False
    export_format: ExportFormat = "piper"


def job_folder(root: Path, job_id: str) -> Path:
    """Where what a job makes lies."""
    return root / RESULTS / STUDIO / job_id


def job_words(command: JobCommand, dataset: str, job: Job, *, root: Path, folder: Path) -> list[str]:
    """The words after `synctalk`; each value stands in the same word as its option."""
    text = [f"--file={folder / TEXT_FILE}", *job.speech.words()]
    out, mark = f"--out={folder / made_name(command, dataset)}", ["--mark"] if job.mark else []
    options = {
        "speak": [*text, out],
        "render": [f"--audio={root / job.sound}", out, *mark],
        "talk": [*text, f"--voice={_voice_word(root, job.voice)}", out, *mark],
        "export": [f"--format={job.export_format}", f"--out={folder}"],
    }[command]
    subject = _voice_word(root, job.voice) if command == "speak" else dataset
    return [command, f"--root={root}", *options, "--", subject]


def made_name(command: JobCommand, dataset: str) -> str:
    """The file that a job makes."""
    return f"{dataset}.{'wav' if command == 'speak' else 'mp4'}"


def _voice_word(root: Path, voice: str) -> str:
    """A dataset's name as it is; the path of an exported voice in full."""
    return str(root / voice) if len(PurePosixPath(voice).parts) > 1 else voice
