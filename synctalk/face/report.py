"""The data report: is this recording good enough to learn a face from, and what should be recorded again?

Written as `report.json` and `report.png` by the stage `preprocess` into its dataset and by `synctalk check` for any
video. Both look through the same eyes and judge by the same limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from synctalk import files
from synctalk.config import FPS
from synctalk.errors import InputError
from synctalk.face.contact_sheet import Snapshot, draw_contact_sheet, snapshot_frames, take_snapshot
from synctalk.face.grading import Evidence, judge
from synctalk.face.readahead import read_ahead
from synctalk.face.soundtrack import reconcile
from synctalk.face.survey import SEGMENT_FRAMES, SIGHT, Image, Observer, Sights
from synctalk.media.audio import read_soundtrack, require_audio
from synctalk.media.verdict import Finding, Verdict, worst
from synctalk.media.video import FrameReader
from synctalk.progress import Progress

_MOST_SEGMENTS = 18
"""Three minutes of a long video are checked, in ten-second pieces evenly spread."""
_READ_AHEAD = 4


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `report.json`."""

    video: str
    verdict: Verdict
    frames: int = 0
    """At 25 per second."""
    frames_seen: int = 0
    """How many of them were looked at; fewer than `frames` for a long video given to `check`."""
    findings: list[Finding] = []

    @property
    def advice(self) -> list[str]:
        """What to record again, in sentences, what matters most first."""
        order = (Verdict.UNUSABLE, Verdict.USABLE)
        return [found.advice for verdict in order for found in self.findings if found.verdict is verdict]

    def value(self, name: str) -> float:
        """The figure of one finding; NaN when there is none of this name."""
        return next((found.value for found in self.findings if found.name == name), float("nan"))


@dataclass(frozen=True, eq=False)
class Illustrated:
    """A report with what its picture is drawn from."""

    report: Report
    evidence: Evidence
    snapshots: list[Snapshot]

    def write_picture(self, path: Path) -> None:
        """Write the contact sheet.

        Raises:
            StorageError: The disk refuses.
        """
        draw_contact_sheet(path, self.evidence, self.report.findings, self.snapshots)

    def write_facts(self, path: Path) -> None:
        """Write the report itself.

        Raises:
            StorageError: The disk refuses.
        """
        files.write_json(path, self.report)


def make_report(name: str, evidence: Evidence) -> Report:
    """Judge what was seen and heard.

    Args:
        name: What to call the video.
        evidence: May lack what was seen; the report then says what is known by then.
    """
    findings = judge(evidence)
    return Report(
        video=name,
        verdict=worst(findings),
        frames=evidence.frames,
        frames_seen=len(evidence.sights),
        findings=findings,
    )


def format_report(report: Report, *, is_brief: bool = False) -> str:
    """The report as plain lines for a console.

    Args:
        report: What to say.
        is_brief: Leave out what is good.
    """
    lines = [f"{report.video}: {report.verdict}"]
    if report.frames_seen < report.frames:
        lines.append(f"  looked at {report.frames_seen / FPS:.0f} of {report.frames / FPS:.0f} s")
    lines += [
        f"  {found.verdict:<9} {found.name}: {found.text}"
        for found in report.findings
        if not (is_brief and found.verdict is Verdict.GOOD)
    ]
    if report.advice:
        lines.append("what to record again:")
        lines += [f"  - {advice}" for advice in report.advice]
    return "\n".join(lines)


def refusal(report: Report) -> InputError:
    """The error for a recording that cannot be used."""
    problems = [f"{found.name}: {found.text}" for found in report.findings if found.verdict is Verdict.UNUSABLE]
    return InputError(
        f"{report.video} cannot be used: {'; '.join(problems)}",
        hint="; ".join(found.advice for found in report.findings if found.verdict is Verdict.UNUSABLE),
    )


def check_path(path: Path, *, out: Path | None = None, should_stop: Callable[[], bool] = lambda: False) -> Report:
    """Look at one video.

    Args:
        path: Any video file with sound.
        out: Folder for `report.json` and `report.png`; None writes nothing.
        should_stop: Asked at every frame.

    Raises:
        InputError: It is not a video, or has no sound.
        KeyboardInterrupt: `should_stop` said so; nothing is written.
        StorageError: The reports cannot be written.
    """
    reader = FrameReader(path)
    require_audio(path)
    sound = reconcile(read_soundtrack(path), reader.count)
    sights, snapshots = _look_around(reader, sound.frames, should_stop)
    if not len(sights):
        raise InputError(f"no picture of {path} has sound", hint="export the video again, picture and sound together")
    evidence = Evidence(reader.facts, sound.frames, sights, sound.samples, sound.lost_frames)
    result = Illustrated(make_report(path.name, evidence), evidence, snapshots)
    if out is not None:
        files.make_folder(out)
        result.write_picture(out / "report.png")
        result.write_facts(out / "report.json")
    return result.report


def _look_around(reader: FrameReader, frames: int, should_stop: Callable[[], bool]) -> tuple[Sights, list[Snapshot]]:
    """Look at the whole of a short video, or at pieces of a long one."""
    segments = _segments(frames)
    numbers = [number for start, stop in segments for number in range(start, stop)]
    shown = {numbers[index] for index in snapshot_frames(len(numbers))}
    sights, snapshots = [np.zeros(0, SIGHT)], list[Snapshot]()
    progress = Progress(None, dataset=reader.facts.path.name, stage="check")
    progress.begin(reader.facts.path.name, total=len(numbers), unit="frames")
    try:
        with Observer() as observer, read_ahead(_pictures(reader, segments), depth=_READ_AHEAD) as pictures:
            for number, frame in pictures:
                if number % SEGMENT_FRAMES == 0:
                    observer.forget()
                points, sight = observer.look(number, frame)
                sights.append(sight)
                if number in shown:
                    snapshots.append(take_snapshot(number, frame, points))
                progress.advance()
                if should_stop():
                    raise KeyboardInterrupt
    finally:
        progress.end()
    return np.concatenate(sights), snapshots


def _segments(frames: int) -> list[tuple[int, int]]:
    """First and one-past-last frames of the pieces to look at, evenly spread."""
    count = -(-frames // SEGMENT_FRAMES)
    chosen = sorted({round(index) for index in np.linspace(0, count - 1, min(count, _MOST_SEGMENTS))})
    return [(k * SEGMENT_FRAMES, min(frames, (k + 1) * SEGMENT_FRAMES)) for k in chosen]


def _pictures(reader: FrameReader, segments: list[tuple[int, int]]) -> Iterator[tuple[int, Image]]:
    for start, stop in segments:
        yield from enumerate(reader.frames(start, stop), start)
