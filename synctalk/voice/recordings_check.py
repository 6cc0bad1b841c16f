"""What `synctalk check` tells about recordings: all that `prepare` would find in them, with nothing written for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from synctalk import files
from synctalk.media.verdict import Verdict
from synctalk.progress import Progress
from synctalk.voice.extent import survey
from synctalk.voice.listing import Listing, Reason, Rejection
from synctalk.voice.metadata import read_metadata
from synctalk.voice.prepared_tables import REJECTED, write_rejected
from synctalk.voice.recordings import SOUND_SUFFIXES, recording_files
from synctalk.voice.samplefile import NoSamples
from synctalk.voice.selection import LEAST_CLIPS, Selection, check_language, compose_corpus, report_on
from synctalk.voice.voice_report import REPORT_JSON, REPORT_PNG, Report, write_report
from synctalk.voice_settings import PrepareSettings

_BESIDE = "text files beside their sounds"
_SHOWN_ROWS, _SHOWN_NAMES = 20, 5


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a folder of recordings."""

    recordings: str
    """Their folder."""
    verdict: Verdict
    sounds: dict[str, int]
    """How many files there are, by their suffix."""
    transcripts: dict[str, int]
    """How many there are in each listing."""
    rejected: list[Rejection]
    """Every row that `prepare` would leave out, in the order of the listings."""
    unlisted: list[str]
    """Sounds that no transcript names."""
    report: Report | None = None
    """On what is left; None when that is too little to learn from."""
    advice: list[str]
    """What to do, what matters most first."""


def check_recordings(
    folder: Path, settings: PrepareSettings, *, should_stop: Callable[[], bool] = files.never
) -> Checkup:
    """Listen to all recordings of a folder, as the stage `prepare` does, and keep nothing.

    Args:
        folder: Sounds with their texts.
        settings: What is asked of them.
        should_stop: Asked for each row, and every few seconds of sound.

    Raises:
        InputError: The listing cannot be read or understood, or the language is unknown.
        MissingPartError, StageError: As `check_language`.
        StoppedError: `should_stop` said so.
    """
    check_language(settings)
    sounds = Counter(
        path.suffix.lower()
        for path in recording_files(folder, should_stop=should_stop).values()
        if path.suffix.lower() in SOUND_SUFFIXES
    )
    listing = read_metadata(folder, settings, should_stop=should_stop)
    transcripts = Counter(_transcripts(listing))
    report = _judge(listing, settings, should_stop)
    return Checkup(
        recordings=str(folder),
        verdict=report.verdict if report else Verdict.UNUSABLE,
        sounds=dict(sounds),
        transcripts=dict(transcripts),
        rejected=listing.rejections,
        unlisted=listing.unlisted,
        report=report,
        advice=[*_advice(sounds.total(), transcripts.total(), listing), *(report.advice if report else [])],
    )


def _judge(listing: Listing, settings: PrepareSettings, should_stop: Callable[[], bool]) -> Report | None:
    selection = Selection(listing, settings, should_stop)
    speakable = selection.speakable()
    extent = survey(selection.promised(speakable), should_stop)
    chosen = selection.listen(speakable, NoSamples(), Progress(None, dataset="recordings", stage="check"))
    if len(chosen) < LEAST_CLIPS:
        return None
    return report_on(compose_corpus(chosen, settings), chosen, listing, extent)


def _transcripts(listing: Listing) -> Iterator[str]:
    """For each transcript, where it stands; a sound that has none is no transcript."""
    places = [*((row.source, row.line) for row in listing.rows), *((no.source, no.line) for no in listing.rejections)]
    for source, line in places:
        if line:
            yield source
        elif PurePosixPath(source).suffix.lower() not in SOUND_SUFFIXES:
            yield _BESIDE


def _advice(sounds: int, transcripts: int, listing: Listing) -> Iterator[str]:
    """What is missing before anything can be said about the sound."""
    if not sounds:
        yield f"put sounds into the folder: files that end in {', '.join(SOUND_SUFFIXES)}"
    if not transcripts:
        yield "write down what is said: in metadata.csv a line `name|text` for each sound, or 0001.txt beside 0001.wav"
    elif listing.unlisted:
        yield f"write down what is said in {_some(listing.unlisted)}, or take {_them(listing.unlisted)} out"
    if any(rejection.reason is Reason.MISSING for rejection in listing.rejections):
        yield "see that the listing names the sounds as their files are called"


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return f"{', '.join(names[:_SHOWN_NAMES])}{more}"


def format_checkup(checkup: Checkup) -> str:
    """The checkup as plain lines for a console; of many rejected rows only the first."""
    lines = [
        f"{checkup.recordings}: {checkup.verdict}",
        f"  sounds:      {_counts(checkup.sounds)}",
        f"  transcripts: {_counts(checkup.transcripts)}",
        f"  used:        {_used(checkup.report)}",
    ]
    if checkup.report:
        lines += [f"  {found.verdict:<9} {found.name}: {found.text}" for found in checkup.report.findings]
    if checkup.unlisted:
        lines.append(f"without a transcript: {len(checkup.unlisted)} ({_some(checkup.unlisted)})")
    if checkup.rejected:
        lines.append(f"left out: {len(checkup.rejected)}")
        lines += [f"  {_place(row)}: {row.explanation}" for row in checkup.rejected[:_SHOWN_ROWS]]
    if len(checkup.rejected) > _SHOWN_ROWS:
        lines.append(f"  and {len(checkup.rejected) - _SHOWN_ROWS} more; --out DIR writes all of them to {REJECTED}")
    if checkup.advice:
        lines.append("what to do:")
        lines += [f"  - {advice}" for advice in checkup.advice]
    return "\n".join(lines)


def _counts(counts: dict[str, int]) -> str:
    if not counts:
        return "none"
    return f"{sum(counts.values())} ({', '.join(f'{count} {kind}' for kind, count in counts.items())})"


def _used(report: Report | None) -> str:
    if report is None:
        return f"nothing, because fewer than {LEAST_CLIPS} recordings can be learned from"
    silence = max(0.0, report.minutes_recorded - report.minutes)
    return f"{report.clips} clips, {report.minutes:.1f} minutes, after {silence:.1f} minutes of silence are cut"


def _place(row: Rejection) -> str:
    """Which row it is: its line and its name, as far as they can be told."""
    return " ".join(filter(None, (f"{row.source}:{row.line}" if row.line else "", row.name)))


def write_checkup(folder: Path, checkup: Checkup) -> None:
    """Write the tables and pictures that `prepare` would write, where they do not count as prepared.

    Raises:
        StorageError: The disk refused.
    """
    files.make_folder(folder)
    write_rejected(folder / REJECTED, checkup.rejected)
    if checkup.report:
        write_report(folder / REPORT_JSON, folder / REPORT_PNG, checkup.report)
