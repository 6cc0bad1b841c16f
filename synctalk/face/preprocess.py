"""The stage `preprocess`: one pass over a video, from which everything else is learned.

    run_preprocess
      _open            what there is: frames, sound, room on the disk; refuses what cannot work
      look_and_crop    decode -> landmarks -> smoothed crop path -> crops, ten seconds at a time   (resumable)
      _finish          sound, mel, boxes, landmarks, report; refuses what cannot be used
      publish          everything gets its place, the report last

Memory is bounded by a few frames and the sound. A kill at any moment loses at most ten seconds of work, and the files
that come out are the same, bit by bit.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from synctalk import files
from synctalk.config import AUDIO_RATE_HZ
from synctalk.errors import InputError, StorageError
from synctalk.face.cropfile import CropFile, size_bytes
from synctalk.face.footage import SourceFacts
from synctalk.face.grading import Evidence
from synctalk.face.onepass import Film, look_and_crop
from synctalk.face.report import Illustrated, Report, format_report, make_report, refusal
from synctalk.face.soundtrack import reconcile
from synctalk.face.source import find_source
from synctalk.face.survey import SEGMENT_FRAMES, SIGHT, Sights
from synctalk.face.unfinished import (
    BOXES,
    CROPS,
    LANDMARKS,
    MEL,
    REPORT_JSON,
    REPORT_PNG,
    SOUND,
    SOURCE_JSON,
    Key,
    Unfinished,
)
from synctalk.log import get_logger
from synctalk.media.audio import read_audio, read_soundtrack, require_audio, write_wav
from synctalk.media.landmarks import POINTS, networks_version
from synctalk.media.mel import mel_spectrogram
from synctalk.media.verdict import Verdict
from synctalk.media.video import FrameReader
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext, StageResult

_log = get_logger(__name__)

_MARGIN_BYTES = 64 << 20
_BYTES_PER_FRAME = 12_000  # landmarks twice, sound, mel and the rest


def run_preprocess(context: StageContext) -> StageResult:
    """Prepare the dataset's video for everything that learns from it.

    Raises:
        InputError: The video cannot be read or cannot be used; says what to record again.
        StorageError: The disk has too little room, or refuses.
        MissingPartError: What finds the faces is not installed.
    """
    with files.translating_os_errors(context.workspace.face):
        recording = _open(context)
        unfinished = recording.film.unfinished
        try:
            if not unfinished.is_ready and _make(recording, context) is Outcome.INTERRUPTED:
                return StageResult(Outcome.INTERRUPTED)
        except InputError:
            unfinished.discard()
            raise
        unfinished.publish()
    report = msgspec.json.decode((context.workspace.face / REPORT_JSON).read_bytes(), type=Report)
    _log.info("%s", format_report(report, is_brief=True))
    return StageResult(Outcome.FINISHED, _summary(report))


@dataclass(frozen=True, eq=False)
class _Recording:
    """A video with its sound, and how much of it is done.

    Attributes:
        reader: The video.
        samples: Its whole sound, beginning with the first picture `[T]`.
        film: The pass over it.
    """

    reader: FrameReader
    samples: NDArray[np.float32]
    film: Film

    def evidence(self, sights: Sights) -> Evidence:
        """What there is to judge by, having seen this much."""
        return _evidence(self.reader, self.samples, sights, pictures=self._pictures)

    @property
    def _pictures(self) -> int:
        """Frames the video has; fewer than it promised when its tail turned out to be damaged."""
        unfinished = self.film.unfinished
        is_cut = unfinished.is_surveyed and unfinished.frames < unfinished.key.frames
        return unfinished.frames if is_cut else self.reader.count


def _open(context: StageContext) -> _Recording:
    """Look at everything that can be known before the first frame, and take up what an earlier run left."""
    source = find_source(context.workspace)
    reader = FrameReader(source)
    require_audio(source)
    samples = read_soundtrack(source, should_stop=context.should_stop)
    known = _evidence(reader, samples, np.zeros(0, SIGHT), pictures=reader.count)
    _refuse_unusable(make_report(source.name, known))
    settings = context.settings.preprocess
    key = Key(
        fingerprint=context.fingerprint,
        generation=context.generation,
        frames=known.frames,
        size_px=settings.size_px,
        landmarks_version=networks_version(),
        segment_frames=SEGMENT_FRAMES,
    )
    film = Film.open(reader, Unfinished(context.workspace.face, key), reach=settings.smoothing_frames)
    return _Recording(reader, samples, film)


def _evidence(reader: FrameReader, samples: NDArray[np.float32], sights: Sights, *, pictures: int) -> Evidence:
    sound = reconcile(samples, pictures)
    return Evidence(reader.facts, sound.frames, sights, sound.samples, sound.lost_frames)


def _refuse_unusable(report: Report) -> None:
    if report.verdict is Verdict.UNUSABLE:
        raise refusal(report)


def _make(recording: _Recording, context: StageContext) -> Outcome:
    """Make all files of the dataset in the hidden folder."""
    unfinished = recording.film.unfinished
    needed_bytes = size_bytes(unfinished.key.frames, unfinished.key.size_px) + _MARGIN_BYTES
    needed_bytes += unfinished.key.frames * _BYTES_PER_FRAME
    try:
        check_room(unfinished.place, needed_bytes - unfinished.size_bytes)
    except StorageError:
        if not unfinished.frames:
            unfinished.discard()
        raise
    outcome = look_and_crop(
        recording.film,
        progress=context.progress,
        should_stop=context.should_stop,
        reject=lambda: _reject_hopeless(recording),
    )
    if outcome is Outcome.FINISHED:
        _finish(recording)
    return outcome


def check_room(folder: Path, needed_bytes: int) -> None:
    """Refuse to begin what cannot end.

    Raises:
        StorageError: The disk of `folder` has less room than that.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise StorageError(
            f"preparing this video needs {needed_bytes / 1e6:,.0f} MB in {folder}, "
            f"but only {free_bytes / 1e6:,.0f} MB are free",
            hint="free some space, use --root to work on another disk, or choose a smaller preprocess.size_px",
        )


def _reject_hopeless(recording: _Recording) -> None:
    """Stop as soon as half of all frames are known to be without a face."""
    sights = recording.film.sights
    missing = int((~np.isfinite(sights["face_px"])).sum())
    if 2 * missing > recording.film.unfinished.key.frames:
        _refuse_unusable(make_report(recording.reader.facts.path.name, recording.evidence(sights)))


def _finish(recording: _Recording) -> None:
    """Make the files that need the whole recording, and declare the dataset ready."""
    film, unfinished, name = recording.film, recording.film.unfinished, recording.reader.facts.path.name
    if not unfinished.frames:
        raise InputError(f"no picture of {name} can be decoded", hint="export the video again")
    evidence = recording.evidence(film.sights)
    report = make_report(name, evidence)
    _refuse_unusable(report)
    write_wav(unfinished.path(SOUND), evidence.sound, rate_hz=AUDIO_RATE_HZ)
    _save(unfinished.path(MEL), mel_spectrogram(read_audio(unfinished.path(SOUND), rate_hz=AUDIO_RATE_HZ)))
    _save(unfinished.path(BOXES), film.path.boxes())
    _save_landmarks(unfinished)
    with CropFile(unfinished.path(CROPS), size_px=unfinished.key.size_px, rows=unfinished.frames) as crops:
        crops.finish()
    snapshots = [shown for segment in unfinished.all_segments() for shown in segment.snapshots]
    illustrated = Illustrated(report, evidence, snapshots)
    illustrated.write_picture(unfinished.path(REPORT_PNG))
    illustrated.write_facts(unfinished.path(REPORT_JSON))
    files.write_json(unfinished.path(SOURCE_JSON), _source_facts(recording))
    unfinished.mark_ready()


def _source_facts(recording: _Recording) -> SourceFacts:
    facts = recording.reader.facts
    return SourceFacts(
        video=facts.path.name,
        frames=recording.film.unfinished.frames,
        width=facts.width,
        height=facts.height,
        fps=facts.fps,
    )


def _save(path: Path, array: NDArray[Any]) -> None:
    with files.replacing(path) as stream:
        np.save(stream, array, allow_pickle=False)


def _save_landmarks(unfinished: Unfinished) -> None:
    """The landmarks of all segments as one array, without holding more than one."""
    write_header: Any = np.lib.format.write_array_header_1_0
    header = {"descr": "<f4", "fortran_order": False, "shape": (unfinished.frames, POINTS, 2)}
    with files.replacing(unfinished.path(LANDMARKS)) as stream:
        write_header(stream, header)
        for segment in unfinished.all_segments():
            stream.write(np.ascontiguousarray(segment.landmarks, "<f4").data)


def _summary(report: Report) -> dict[str, object]:
    return {
        "frames": report.frames,
        "verdict": str(report.verdict),
        "advice": report.advice,
        **{found.name: round(found.value, 4) for found in report.findings},
    }
