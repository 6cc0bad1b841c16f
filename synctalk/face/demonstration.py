"""The demonstration: a drawn presenter, a sentence it was never filmed saying, and whether its mouth says it.

The true mouth opening is known because the presenter's mouth is drawn from a known function of its sound; it is used
to measure, never to train.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from synctalk.errors import StageError
from synctalk.face.metrics import opening_correlation, shuffle_sound
from synctalk.face.opening import mouth_opening
from synctalk.face.presenter import film_presenter, perform_babble, perform_text
from synctalk.face.render import RenderOptions, render_dataset
from synctalk.files import make_folder, write_json
from synctalk.media.audio import read_audio, write_wav
from synctalk.media.landmarks import FaceTracker
from synctalk.media.video import FrameReader
from synctalk.workspace import Workspace

PRESENTER_SEED = 7
_FILMED_SOUND_SEED = 1
_NEW_SOUND_SEED = 2
_SHUFFLE_SEED = 3
_RATE_HZ = 16_000


@dataclass(frozen=True)
class NewSound:
    """Sound made for the demonstration, and the mouth that belongs to it.

    Attributes:
        path: The wav file.
        opening: True mouth opening per 25 fps frame, 0..1, `[N]`.
    """

    path: Path
    opening: NDArray[np.float64]


class DemoFigures(msgspec.Struct):
    """How well the rendered mouth follows the new sound."""

    seconds: float
    correlation: float
    """Between the mouth opening measured in the rendered video and the true one."""
    shuffled_correlation: float
    """The same after rendering with the sound's pieces in another order: near 0 when only the sound moves the mouth."""


def film_source(workspace: Workspace, *, seconds: float) -> Path:
    """Film the presenter as the dataset's source, unless that is done already."""
    path = workspace.dataset / "source.mp4"
    if not path.is_file():
        make_folder(workspace.dataset)
        film_presenter(path, perform_babble(seconds, _FILMED_SOUND_SEED), seed=PRESENTER_SEED)
    return path


def speak_new_sound(folder: Path, text: str) -> NewSound:
    """Make sound that was never filmed: `text`, spoken by the presenter's synthetic voice."""
    performance = perform_text(text, seed=_NEW_SOUND_SEED)
    path = make_folder(folder) / "new_sound.wav"
    write_wav(path, performance.samples, rate_hz=_RATE_HZ)
    return NewSound(path, performance.opening)


def measure(workspace: Workspace, sound: NewSound, rendered: Path, *, should_stop: Callable[[], bool]) -> DemoFigures:
    """Compare the rendered mouth with the true one, and again with shuffled sound.

    Side effects:
        Writes `shuffled_sound.wav`, `shuffled.mp4` and `figures.json` beside `rendered`.
    """
    frames = len(sound.opening)
    shuffled_sound = rendered.with_name("shuffled_sound.wav")
    shuffled_video = rendered.with_name("shuffled.mp4")
    samples = shuffle_sound(read_audio(sound.path), frames=frames, seed=_SHUFFLE_SEED)
    write_wav(shuffled_sound, samples, rate_hz=_RATE_HZ)
    quick = RenderOptions(preset="veryfast")
    render_dataset(workspace, shuffled_sound, shuffled_video, options=quick, should_stop=should_stop)
    figures = DemoFigures(
        seconds=round(frames / 25, 2),
        correlation=round(opening_correlation(measure_openings(rendered)[:frames], sound.opening), 3),
        shuffled_correlation=round(opening_correlation(measure_openings(shuffled_video)[:frames], sound.opening), 3),
    )
    write_json(rendered.with_name("figures.json"), figures)
    return figures


def measure_openings(video: Path) -> NDArray[np.float64]:
    """The mouth opening in every frame of a video as the face finder sees it, `[N]`.

    Raises:
        StageError: A frame without a face.
    """
    openings = []
    with FaceTracker() as tracker:
        for index, frame in enumerate(FrameReader(video).frames()):
            faces = tracker.find(frame)
            if not faces:
                raise StageError(f"no face in frame {index} of {video}")
            openings.append(float(mouth_opening(faces[0])))
    return np.array(openings)
