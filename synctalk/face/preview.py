"""A few seconds of the person speaking, with sound, made after every epoch: what the training can do by now."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from synctalk.config import AUDIO_RATE_HZ, FPS, SAMPLES_PER_FRAME
from synctalk.errors import StoppedError
from synctalk.face.footage import open_footage
from synctalk.face.framewalk import Step
from synctalk.face.lipsync import LipSync, heard_when_speaking
from synctalk.face.provenance import provenance
from synctalk.files import never, temporary_beside
from synctalk.media.audio import write_wav
from synctalk.media.encode import VideoWriter
from synctalk.workspace import Workspace

if TYPE_CHECKING:
    from synctalk.face.generator import Generator

BYTES_PER_S = 1_000_000
"""What a second may take on the disk, for the check of its room: 8 Mbit/s, more than this quality needs at 1080p."""
_PRESET = "veryfast"
_CRF = 23


def write_preview(
    workspace: Workspace,
    generator: Generator,
    path: Path,
    *,
    seconds: float,
    should_stop: Callable[[], bool] = never,
) -> None:
    """Write a preview video of the held-out end of the recording: its own frames, its own sound, a drawn mouth.

    A recording whose held-out part is shorter begins the preview before it.

    Args:
        workspace: The dataset, prepared.
        generator: The network as it is now.
        path: The video; replaced only when all of it is there.
        seconds: Length; nothing is written when it is 0.
        should_stop: Asked before each frame.

    Raises:
        StoppedError: `should_stop` said so; the preview before it is still there.
        InputError: The dataset is not prepared.
        StorageError: The disk refused.
    """
    footage = open_footage(workspace)
    count = min(round(seconds * FPS), footage.count)
    if count == 0:
        return
    first = min(footage.recording.first_held_out, footage.count - count)
    part = slice(first * SAMPLES_PER_FRAME, (first + count) * SAMPLES_PER_FRAME)
    heard = heard_when_speaking(footage.recording.samples)[part]
    steps = [Step(frame) for frame in footage.nearest_usable(first, count)]
    sound = temporary_beside(path.with_suffix(".wav"))
    try:
        write_wav(sound, footage.recording.samples[part], rate_hz=AUDIO_RATE_HZ)
        with (
            closing(LipSync(footage, generator).frames(steps, heard)) as frames,
            VideoWriter(
                path,
                width=footage.reader.width,
                height=footage.reader.height,
                fps=FPS,
                audio=sound,
                metadata=provenance(dataset=footage.name, source=footage.path, should_stop=should_stop),
                preset=_PRESET,
                crf=_CRF,
            ) as writer,
        ):
            for frame in frames:
                if should_stop():
                    raise StoppedError
                writer.write(frame.image)
    finally:
        sound.unlink(missing_ok=True)
