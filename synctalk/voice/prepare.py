"""The stage `prepare`: from a folder of recordings with texts to clips that a voice is learned from.

    run_prepare
      read_metadata     which sound says what; rows without a sound or a text are rejected
      survey            how much there is, by the headers; refuses what the disk cannot hold
      Selection         each recording decoded, examined, cut and levelled; those whose text fits are chosen
      _publish          everything gets its place, `clips.json` last

Memory is bounded by the longest recording. A run that is killed or stopped leaves what was there before, or nothing
that could be taken for prepared, and the next one begins again. Nothing is left out silently: `rejected.csv` has a line
for every row that is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.faults import crash_point
from synctalk.log import get_logger
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext, StageResult
from synctalk.voice.corpus import AUDIO, CLIPS, write_corpus
from synctalk.voice.extent import Extent, check_room, survey
from synctalk.voice.gathering import Kept
from synctalk.voice.listing import Listing
from synctalk.voice.metadata import count_reasons, read_metadata
from synctalk.voice.prepared_tables import REJECTED, write_metadata, write_rejected
from synctalk.voice.recordings import find_recordings
from synctalk.voice.samplefile import SampleFile
from synctalk.voice.selection import LEAST_CLIPS, Selection, check_language, compose_corpus, report_on
from synctalk.voice.voice_report import REPORT_JSON, REPORT_PNG, Report, write_report

_SHOWN_NAMES = 5
_log = get_logger(__name__)


def run_prepare(context: StageContext) -> StageResult:
    """Prepare the dataset's recordings for every voice that is trained on them.

    Raises:
        InputError: There are no recordings, their listing cannot be understood, or fewer than two clips can be used.
        MissingPartError, StageError: As `check_espeak`, when phonemes are asked for.
        StorageError: The disk has too little room, or refuses.
    """
    with files.translating_os_errors(context.workspace.voice):
        try:
            return _prepare(context)
        except StoppedError:
            return StageResult(Outcome.INTERRUPTED)


def _prepare(context: StageContext) -> StageResult:
    settings, voice = context.settings.prepare, context.workspace.voice
    check_language(settings)
    folder = find_recordings(context.workspace)
    listing = read_metadata(folder, settings, should_stop=context.should_stop)
    _tell_unlisted(listing)
    files.make_folder(voice)
    files.sweep_leftovers(voice)
    selection = Selection(listing, settings, context.should_stop)
    speakable = selection.speakable()
    extent = survey(selection.promised(speakable), context.should_stop)
    check_room(voice, extent, rate_hz=settings.rate_hz)
    with SampleFile(voice) as store:
        chosen = selection.listen(speakable, store, context.progress)
        if len(chosen) < LEAST_CLIPS:
            write_rejected(voice / REJECTED, listing.rejections)
            raise _too_few(listing, len(chosen), folder)
        summary = _publish(context, chosen, listing, extent, store)
    _tell_rejected(listing, len(chosen))
    return StageResult(Outcome.FINISHED, summary)


def _publish(
    context: StageContext, chosen: Sequence[Kept], listing: Listing, extent: Extent, store: SampleFile
) -> dict[str, object]:
    """Write every file of the stage; without `clips.json` nothing counts as prepared. Returns the summary."""
    voice = context.workspace.voice
    corpus = compose_corpus(chosen, context.settings.prepare)
    report = report_on(corpus, chosen, listing, extent)
    (voice / CLIPS).unlink(missing_ok=True)
    crash_point("prepare.publish")
    pieces = ((each.start, each.samples) for each in chosen)
    store.copy(pieces, voice / AUDIO, should_stop=context.should_stop)
    write_metadata(voice, [each.row for each in chosen])
    write_rejected(voice / REJECTED, listing.rejections)
    write_report(voice / REPORT_JSON, voice / REPORT_PNG, report)
    crash_point("prepare.publish")
    write_corpus(voice, corpus)
    _tell_report(report)
    return {
        "clips": report.clips,
        "held_out": report.held_out,
        "left_out": len(listing.rejections),
        "minutes": report.minutes,
        "verdict": str(report.verdict),
        "advice": report.advice,
    }


def _too_few(listing: Listing, usable: int, folder: Path) -> InputError:
    counts = list(count_reasons(listing.rejections).items())[:3]
    reasons = ", ".join(f"{reason} ({count})" for reason, count in counts) or "there are no rows"
    return InputError(
        f"only {usable} of {listing.count} recordings in {folder} can be used, at least {LEAST_CLIPS} are needed: "
        f"{reasons}",
        hint="voice/rejected.csv says why for each; docs/recordings.md shows what a listing looks like",
    )


def _tell_unlisted(listing: Listing) -> None:
    if listing.unlisted:
        names = ", ".join(listing.unlisted[:_SHOWN_NAMES])
        more = ", ..." if len(listing.unlisted) > _SHOWN_NAMES else ""
        _log.warning("sounds without a usable text: %d (%s%s)", len(listing.unlisted), names, more)


def _tell_rejected(listing: Listing, used: int) -> None:
    left_out = len(listing.rejections)
    if left_out:
        _log.info("%d of %d rows were left out: voice/rejected.csv says why", left_out, left_out + used)


def _tell_report(report: Report) -> None:
    _log.info("%d clips, %.1f minutes: %s", report.clips, report.minutes, report.verdict)
    for found in report.findings:
        if found.advice:
            _log.info("  %s: %s; %s", found.name, found.text, found.advice)
