"""The stage `prepare`: from a folder of recordings with texts to clips that a voice is learned from.

    run_prepare
      read_metadata     which sound says what; rows without a sound or a text are rejected
      survey            how much there is, by the headers; refuses what the disk cannot hold
      listen            each recording decoded, examined, cut and levelled, one at a time
      choose            texts that do not fit, clips that are too many
      _publish          everything gets its place, `clips.json` last

Memory is bounded by the longest recording. A run that is killed or stopped leaves what was there before, and the next
one begins again. Nothing is left out silently: `rejected.csv` has a line for every row that is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.faults import crash_point
from synctalk.log import get_logger
from synctalk.pipeline.stage import Outcome, StageContext, StageResult
from synctalk.voice.alphabet import Alphabet
from synctalk.voice.corpus import AUDIO, CLIPS, Clip, Corpus, write_corpus
from synctalk.voice.extent import Extent, check_room, survey
from synctalk.voice.hearing import hear
from synctalk.voice.language import find_language
from synctalk.voice.listing import Listing, Reason, Rejection, Row, RowError
from synctalk.voice.metadata import count_reasons, read_metadata
from synctalk.voice.recordings import find_recordings
from synctalk.voice.samplefile import SampleFile
from synctalk.voice.screening import check_paces, check_signs, hold_out, key_of, pace
from synctalk.voice.soundcheck import Soundness
from synctalk.voice.tables import REJECTED, write_metadata, write_rejected
from synctalk.voice.voice_report import REPORT_JSON, REPORT_PNG, Accepted, make_report, write_report
from synctalk.voice_settings import PrepareSettings

_LEAST_CLIPS = 2
_SHOWN_NAMES = 5
_log = get_logger(__name__)


def run_prepare(context: StageContext) -> StageResult:
    """Prepare the dataset's recordings for every voice that is trained on them.

    Raises:
        InputError: There are no recordings, their listing cannot be understood, or fewer than two clips can be used.
        StorageError: The disk has too little room, or refuses.
    """
    with files.translating_os_errors(context.workspace.voice):
        try:
            return _prepare(context)
        except StoppedError:
            return StageResult(Outcome.INTERRUPTED)


def _prepare(context: StageContext) -> StageResult:
    settings, voice = context.settings.prepare, context.workspace.voice
    find_language(settings.language)  # refused before hours of work
    folder = find_recordings(context.workspace)
    listing = read_metadata(folder, settings, should_stop=context.should_stop)
    _tell_unlisted(listing)
    files.make_folder(voice)
    files.sweep_leftovers(voice)
    speakable = _speakable(listing)
    extent = survey(speakable[: settings.most_clips or None], context.should_stop)
    check_room(voice, extent, rate_hz=settings.rate_hz)
    with SampleFile(voice) as store:
        gathering = _Gathering(settings, store, context.should_stop, listing.rejections)
        chosen = gathering.choose(gathering.listen(speakable, context))
        listing.rejections.sort(key=lambda rejection: (rejection.source, rejection.line))
        if len(chosen) < _LEAST_CLIPS:
            write_rejected(voice / REJECTED, listing.rejections)
            raise _too_few(listing, len(chosen), folder)
        summary = _publish(context, chosen, listing, extent, store)
    _tell_rejected(listing, len(chosen))
    _log.info("voice/report.json: %s", summary["verdict"])
    return StageResult(Outcome.FINISHED, summary)


@dataclass(frozen=True)
class _Kept:
    """A recording that was heard; its samples are in the store.

    Attributes:
        row: What the listing says.
        soundness: What was measured.
        start: Of its samples in the store.
        samples: How many.
        key: Of its sound and text.
    """

    row: Row
    soundness: Soundness
    start: int
    samples: int
    key: str

    @property
    def pace(self) -> float:
        """Seconds per character."""
        return pace(self.row.text, self.soundness.speech_s)


@dataclass
class _Gathering:
    """Recordings being listened to, one after another.

    Attributes:
        settings: What is asked of them.
        store: Where their samples go.
        should_stop: Asked for each.
        rejections: Grows with every row that cannot be used.
    """

    settings: PrepareSettings
    store: SampleFile
    should_stop: Callable[[], bool]
    rejections: list[Rejection]
    _sounds: dict[str, Row] = field(default_factory=dict)

    def listen(self, rows: Sequence[Row], context: StageContext) -> list[_Kept]:
        """Those rows that can be used, until there are as many as wanted."""
        kept: list[_Kept] = []
        context.progress.begin("listening", total=len(rows), unit="clips")
        try:
            for number, row in enumerate(rows):
                if self._is_enough(kept):
                    self._reject_surplus(rows[number:])
                    break
                self._listen_to(row, kept)
                context.progress.advance()
        finally:
            context.progress.end()
        return kept

    def choose(self, kept: list[_Kept]) -> list[_Kept]:
        """Those whose text fits their sound, at most as many as wanted."""
        fitting = []
        for each, problem in zip(kept, check_paces([each.pace for each in kept]), strict=True):
            if problem is None:
                fitting.append(each)
            else:
                self._reject(each.row, problem)
        wanted = self.settings.most_clips or len(fitting)
        self._reject_surplus([each.row for each in fitting[wanted:]])
        return fitting[:wanted]

    def _listen_to(self, row: Row, kept: list[_Kept]) -> None:
        if self.should_stop():
            raise StoppedError
        try:
            heard = hear(row, self.settings, self.should_stop)
            if heard.key in self._sounds:
                raise RowError(Reason.SAME_SOUND, f"as {self._sounds[heard.key].name}")
        except RowError as error:
            self._reject(row, error)
            return
        self._sounds[heard.key] = row
        crash_point("prepare.store")
        start = self.store.append(heard.samples)
        kept.append(_Kept(row, heard.soundness, start, len(heard.samples), key_of(heard.key, row.text)))

    def _is_enough(self, kept: list[_Kept]) -> bool:
        wanted = self.settings.most_clips
        return 0 < wanted <= len(kept) and check_paces([each.pace for each in kept]).count(None) >= wanted

    def _reject(self, row: Row, error: RowError) -> None:
        self.rejections.append(Rejection(row.source, row.line, row.name, error.reason, error.detail))

    def _reject_surplus(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._reject(row, RowError(Reason.SURPLUS, f"prepare.most_clips is {self.settings.most_clips}"))


def _speakable(listing: Listing) -> list[Row]:
    """The rows whose signs can all be spoken; the others are rejected."""
    speakable = []
    for row, problem in zip(listing.rows, check_signs([row.text for row in listing.rows]), strict=True):
        if problem is None:
            speakable.append(row)
        else:
            listing.rejections.append(Rejection(row.source, row.line, row.name, problem.reason, problem.detail))
    return speakable


def _publish(
    context: StageContext, chosen: Sequence[_Kept], listing: Listing, extent: Extent, store: SampleFile
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
    return {
        "clips": report.clips,
        "held_out": report.held_out,
        "left_out": len(listing.rejections),
        "minutes": report.minutes,
        "verdict": str(report.verdict),
        "advice": report.advice,
    }


def _make_corpus(chosen: Sequence[_Kept], settings: PrepareSettings) -> Corpus:
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
                is_held_out=is_held_out,
            )
        )
        start += each.samples
    return Corpus(
        rate_hz=settings.rate_hz,
        language=find_language(settings.language).code,
        extra_signs=Alphabet.of_texts(clip.text for clip in clips).extra,
        speakers=speakers,
        clips=tuple(clips),
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
