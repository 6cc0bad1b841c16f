"""The stage `prepare`: from a folder of recordings with texts to clips that a voice is learned from.

    run_prepare
      read_metadata     which sound says what; rows without a sound or a text are rejected
      survey            how much there is, by the headers; refuses what the disk cannot hold
      Gathering         each recording decoded, examined, cut and levelled; those whose text fits are chosen
      _publish          everything gets its place, `clips.json` last

Memory is bounded by the longest recording. A run that is killed or stopped leaves what was there before, or nothing
that could be taken for prepared, and the next one begins again. Nothing is left out silently: `rejected.csv` has a line
for every row that is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.faults import crash_point
from synctalk.log import get_logger
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext, StageResult
from synctalk.voice.alphabet import Alphabet
from synctalk.voice.corpus import AUDIO, CLIPS, Clip, Corpus, write_corpus
from synctalk.voice.espeak import check_espeak
from synctalk.voice.extent import Extent, check_room, survey
from synctalk.voice.gathering import Gathering, Kept
from synctalk.voice.language import find_language
from synctalk.voice.listing import Listing, Rejection, Row
from synctalk.voice.metadata import count_reasons, read_metadata
from synctalk.voice.prepared_tables import REJECTED, write_metadata, write_rejected
from synctalk.voice.recordings import find_recordings
from synctalk.voice.samplefile import SampleFile
from synctalk.voice.screening import hold_out
from synctalk.voice.transcription import screen_letters, screen_phonemes
from synctalk.voice.voice_report import REPORT_JSON, REPORT_PNG, Accepted, Report, make_report, write_report
from synctalk.voice_settings import PrepareSettings

_LEAST_CLIPS = 2
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
    language = find_language(settings.language)  # refused before hours of work
    if settings.text == "phonemes":
        check_espeak(language)
    folder = find_recordings(context.workspace)
    listing = read_metadata(folder, settings, should_stop=context.should_stop)
    _tell_unlisted(listing)
    files.make_folder(voice)
    files.sweep_leftovers(voice)
    speakable = _speakable(listing, settings, context.should_stop)
    extent = survey(speakable[: settings.most_clips or None], context.should_stop)
    check_room(voice, extent, rate_hz=settings.rate_hz)
    with SampleFile(voice) as store:
        gathering = Gathering(settings, store, context.should_stop, listing.rejections)
        chosen = gathering.choose(gathering.listen(speakable, context.progress))
        listing.rejections.sort(key=lambda rejection: (rejection.source, rejection.line))
        if len(chosen) < _LEAST_CLIPS:
            write_rejected(voice / REJECTED, listing.rejections)
            raise _too_few(listing, len(chosen), folder)
        summary = _publish(context, chosen, listing, extent, store)
    _tell_rejected(listing, len(chosen))
    return StageResult(Outcome.FINISHED, summary)


def _speakable(listing: Listing, settings: PrepareSettings, should_stop: Callable[[], bool]) -> list[Row]:
    """The rows that can be spoken, with their phonemes when those are to be learned; the others are rejected."""
    if settings.text == "phonemes":
        screened = screen_phonemes(listing.rows, find_language(settings.language).espeak, should_stop)
    else:
        screened = screen_letters(listing.rows)
    speakable = []
    for row, problem in screened:
        if problem is None:
            speakable.append(row)
        else:
            listing.rejections.append(Rejection(row.source, row.line, row.name, problem.reason, problem.detail))
    return speakable


def _publish(
    context: StageContext, chosen: Sequence[Kept], listing: Listing, extent: Extent, store: SampleFile
) -> dict[str, object]:
    """Write every file of the stage; without `clips.json` nothing counts as prepared. Returns the summary."""
    voice, settings = context.workspace.voice, context.settings.prepare
    corpus = _make_corpus(chosen, settings)
    accepted = [Accepted(each.row, clip, each.soundness) for each, clip in zip(chosen, corpus.clips, strict=True)]
    report = make_report(corpus, accepted, listing, extent)
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


def _make_corpus(chosen: Sequence[Kept], settings: PrepareSettings) -> Corpus:
    speakers = tuple(dict.fromkeys(each.row.speaker for each in chosen))
    held_out = hold_out([each.key for each in chosen], settings.held_out)
    clips, start = [], 0
    for each, is_held_out in zip(chosen, held_out, strict=True):
        clips.append(
            Clip(
                name=each.row.name,
                text=each.row.text,
                speaker=speakers.index(each.row.speaker),
                start=start,
                samples=each.samples,
                offset_s=max(0.0, each.soundness.begins_s - settings.margin_s),
                is_held_out=is_held_out,
                phonemes=each.row.phonemes,
            )
        )
        start += each.samples
    language, reads_phonemes = find_language(settings.language), settings.text == "phonemes"
    by_phoneme = Alphabet.of_phonemes(clip.phonemes for clip in clips)
    return Corpus(
        rate_hz=settings.rate_hz,
        language=language.code,
        extra_signs=(by_phoneme if reads_phonemes else Alphabet.of_texts(clip.text for clip in clips)).extra,
        speakers=speakers,
        clips=tuple(clips),
        espeak=language.espeak if reads_phonemes else "",
    )


def _too_few(listing: Listing, usable: int, folder: Path) -> InputError:
    counts = list(count_reasons(listing.rejections).items())[:3]
    reasons = ", ".join(f"{reason} ({count})" for reason, count in counts) or "there are no rows"
    return InputError(
        f"only {usable} of {listing.count} recordings in {folder} can be used, at least {_LEAST_CLIPS} are needed: "
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
