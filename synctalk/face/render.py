"""Render: the person of a dataset says any sound, in a finished video.

Call tree of `render_dataset`:
    Renderer.open                              what was prepared, and the trained network
    Renderer.render
        read_sound -> heard_when_speaking      what the network hears
        plan_walk                              which source frames are shown
        LipSync.frames -> VideoWriter          streaming, memory bounded
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from collections.abc import Generator as Stream
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synctalk.config import AUDIO_RATE_HZ, FPS, SAMPLES_PER_FRAME
from synctalk.errors import InputError
from synctalk.face.asr import Mode
from synctalk.face.footage import Footage, Image, open_footage
from synctalk.face.framewalk import Loop, plan_walk
from synctalk.face.generator import Generator, load_generator
from synctalk.face.lipsync import LipSync, heard_when_speaking
from synctalk.face.provenance import provenance, stamp
from synctalk.log import get_logger
from synctalk.media.audio import read_audio, require_audio
from synctalk.media.encode import VideoWriter
from synctalk.outcome import Outcome
from synctalk.progress import Progress
from synctalk.workspace import Workspace

_log = get_logger(__name__)

SHORTEST_S = 0.2


class _StoppedError(Exception):
    """Leaves the writer's block so that it throws away what it has."""


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """How a video is made.

    Attributes:
        checkpoint: A checkpoint file or folder; the best one of the dataset when None.
        device: Where the network runs.
        asr: Audio features that a bare checkpoint of the older network was trained with, where it cannot tell.
        asr_model: Model of these features, where the checkpoint does not hold it.
        loop: What happens where the source video ends before the sound does.
        start_frame: Source frame to begin with, wrapped around the source's length; None chooses.
        returns: Whether the video ends on the frame it began with.
        rests_in_silence: Whether the mouth rests where nobody speaks.
        has_mark: Whether a visible note says that the video is synthetic.
        voice: Which voice says the sound, when it is no recording; the video tells it.
        preset: Of the H.264 encoder.
        crf: Quality of the H.264 encoder; smaller is better.
    """

    checkpoint: Path | None = None
    device: str = "auto"
    asr: Mode | None = None
    asr_model: Path | None = None
    loop: Loop = Loop.PING_PONG
    start_frame: int | None = None
    returns: bool = False
    rests_in_silence: bool = True
    has_mark: bool = False
    voice: str = ""
    preset: str = "slow"
    crf: int = 18


@dataclass(frozen=True, kw_only=True)
class RenderResult:
    """What came out.

    Attributes:
        path: The video; not written when interrupted.
        outcome: Whether it was finished.
        frames: Frames made.
        seconds: Time it took.
        parts: Seconds that each part of the work was busy; parts overlap.
    """

    path: Path
    outcome: Outcome
    frames: int
    seconds: float
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Length of the video."""
        return self.frames / FPS

    @property
    def fps(self) -> float:
        """Frames made per second."""
        return self.frames / max(self.seconds, 1e-9)


class Renderer:
    """One person, ready to say any number of sounds.

    Args:
        footage: The person.
        generator: The trained network.
        options: How the videos are made.
        model: What the videos will say about where the network came from.
    """

    def __init__(self, footage: Footage, generator: Generator, options: RenderOptions, *, model: str = "") -> None:
        self._footage = footage
        self._generator = generator
        self._options = options
        self._model = model

    @classmethod
    def open(cls, workspace: Workspace, options: RenderOptions) -> Renderer:
        """Open a dataset that is prepared and trained.

        Raises:
            InputError: It is not.
        """
        footage = open_footage(workspace)
        checkpoint = find_checkpoint(workspace, options.checkpoint)
        generator = load_generator(checkpoint, device=options.device, asr_model=options.asr_model, mode=options.asr)
        return cls(footage, generator, options, model=f"{checkpoint.parent.name}/{checkpoint.name}")

    def render(
        self,
        audio: Path,
        out: Path,
        *,
        progress: Progress | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RenderResult:
        """Make one video.

        Args:
            audio: Any audio or video file; its sound goes into the video.
            out: The video to write; replaced only when all of it is there.
            progress: The bar.
            should_stop: Asked before each frame.

        Raises:
            InputError: The sound is missing, unreadable or too short.
            StorageError: The disk refused.
        """
        begun = time.monotonic()
        self._check_target(out, audio)
        samples = read_sound(audio)
        count = -(-len(samples) // SAMPLES_PER_FRAME)
        lipsync = LipSync(self._footage, self._generator)
        progress = progress or Progress(None, dataset=self._footage.name, stage="render")
        progress.begin("", total=count, unit="frame")
        outcome = Outcome.FINISHED
        try:
            with closing(self._frames(lipsync, samples, count)) as frames, self._writer(audio, out) as writer:
                for frame in frames:
                    if should_stop():
                        raise _StoppedError
                    with lipsync.stopwatch.part("encode"):
                        writer.write(frame)
                    progress.advance()
        except _StoppedError:
            outcome = Outcome.INTERRUPTED
        finally:
            progress.end()
        return RenderResult(
            path=out,
            outcome=outcome,
            frames=writer.frames_written,
            seconds=time.monotonic() - begun,
            parts=dict(lipsync.stopwatch.seconds),
        )

    def _frames(self, lipsync: LipSync, samples: NDArray[np.float32], count: int) -> Stream[Image]:
        options = self._options
        heard = heard_when_speaking(samples) if options.rests_in_silence else samples
        steps = plan_walk(
            self._footage.usable.tolist(),
            count=count,
            start=options.start_frame,
            loop=options.loop,
            returns=options.returns,
            cuts=self._footage.cuts.tolist(),
        )
        with closing(lipsync.frames(steps, heard)) as shown:
            for frame in shown:
                yield stamp(frame.image) if options.has_mark else frame.image

    def _writer(self, audio: Path, out: Path) -> VideoWriter:
        footage, options = self._footage, self._options
        return VideoWriter(
            out,
            width=footage.reader.width,
            height=footage.reader.height,
            fps=FPS,
            audio=audio,
            metadata=provenance(
                dataset=footage.name, source=footage.path, sound=audio, model=self._model, voice=options.voice
            ),
            preset=options.preset,
            crf=options.crf,
        )

    def _check_target(self, out: Path, audio: Path) -> None:
        for source in (self._footage.path, audio):
            if out.exists() and source.exists() and out.samefile(source):
                raise InputError(f"{out} is a source of the video and is never replaced", hint="choose another --out")


def render_dataset(
    workspace: Workspace,
    audio: Path,
    out: Path,
    *,
    options: RenderOptions | None = None,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RenderResult:
    """Let the person of a dataset say what is heard in `audio`; see `Renderer`.

    Raises:
        InputError: The dataset is not ready, or the sound is missing, unreadable or too short.
        StorageError: The disk refused.
    """
    require_audio(audio)  # the quick answer first
    return Renderer.open(workspace, options or RenderOptions()).render(
        audio, out, progress=progress, should_stop=should_stop
    )


def find_checkpoint(workspace: Workspace, chosen: Path | None = None) -> Path:
    """The checkpoint to use: the chosen file or folder, else the folder of the dataset's main training.

    Raises:
        InputError: Nothing was chosen and nothing is trained.
    """
    folder = workspace.training("main")
    if chosen is None and not folder.is_dir():
        raise InputError(
            f"nothing is trained for {workspace.name!r} yet", hint=f"synctalk run {shlex.quote(workspace.name)}"
        )
    return chosen or folder


def read_sound(audio: Path) -> NDArray[np.float32]:
    """The sound of a file at 16 kHz, long enough to be spoken.

    Raises:
        InputError: Missing, unreadable, without sound, or shorter than 0.2 s.
    """
    samples = read_audio(audio, rate_hz=AUDIO_RATE_HZ)
    if len(samples) < SHORTEST_S * AUDIO_RATE_HZ:
        raise InputError(
            f"{audio} holds only {len(samples) / AUDIO_RATE_HZ:.2f} s of sound", hint="give at least a spoken word"
        )
    return samples
