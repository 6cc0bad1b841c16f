"""Which recordings of a folder a voice is learned from, and how good they are.

The stage `prepare` keeps what is chosen here; `synctalk check` only tells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from synctalk.progress import Progress
from synctalk.voice.alphabet import Alphabet
from synctalk.voice.corpus import Clip, Corpus
from synctalk.voice.espeak import check_espeak
from synctalk.voice.extent import Extent
from synctalk.voice.gathering import Gathering, Kept
from synctalk.voice.language import find_language
from synctalk.voice.listing import Listing, Rejection, Row
from synctalk.voice.samplefile import SampleStore
from synctalk.voice.screening import hold_out
from synctalk.voice.transcription import screen_letters, screen_phonemes
from synctalk.voice.voice_report import Accepted, Report, make_report
from synctalk.voice_settings import PrepareSettings

LEAST_CLIPS = 2


def check_language(settings: PrepareSettings) -> None:
    """Refuse a language that cannot be read here before hours of work.

    Raises:
        InputError: There is no such language.
        MissingPartError, StageError: As `check_espeak`, when phonemes are asked for.
    """
    language = find_language(settings.language)
    if settings.text == "phonemes":
        check_espeak(language)


@dataclass(frozen=True)
class Selection:
    """How the recordings of one folder are chosen; every row that is not becomes a rejection of its listing.

    Attributes:
        listing: All rows.
        settings: What is asked of them.
        should_stop: Asked for each.
    """

    listing: Listing
    settings: PrepareSettings
    should_stop: Callable[[], bool]

    def speakable(self) -> list[Row]:
        """The rows that can be spoken, with their phonemes when those are to be learned.

        Raises:
            StoppedError: `should_stop` said so.
            MissingPartError, InputError, StageError: As `screen_letters` and `screen_phonemes`.
        """
        if self.settings.text == "phonemes":
            espeak = find_language(self.settings.language).espeak
            screened = screen_phonemes(self.listing.rows, espeak, self.should_stop)
        else:
            screened = screen_letters(self.listing.rows)
        speakable = []
        for row, problem in screened:
            if problem is None:
                speakable.append(row)
            else:
                rejection = Rejection(row.source, row.line, row.name, problem.reason, problem.detail)
                self.listing.rejections.append(rejection)
        return speakable

    def promised(self, speakable: Sequence[Row]) -> Sequence[Row]:
        """Those that will be listened to when all of them can be used."""
        return speakable[: self.settings.most_clips or None]

    def listen(self, speakable: Sequence[Row], store: SampleStore, progress: Progress) -> list[Kept]:
        """Those that are used, after every one was heard; the rejections are in the order of the listing then.

        Raises:
            StoppedError: `should_stop` said so.
            OSError: The disk refused the samples.
        """
        gathering = Gathering(self.settings, store, self.should_stop, self.listing.rejections)
        chosen = gathering.choose(gathering.listen(speakable, progress))
        self.listing.rejections.sort(key=lambda rejection: (rejection.source, rejection.line))
        return chosen


def compose_corpus(chosen: Sequence[Kept], settings: PrepareSettings) -> Corpus:
    """What is learned from, one clip after another."""
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


def report_on(corpus: Corpus, chosen: Sequence[Kept], listing: Listing, extent: Extent) -> Report:
    """How good the recordings are.

    Args:
        corpus: Composed of `chosen`.
        chosen: At least one.
        listing: With every rejection.
        extent: Of the rows that can be spoken.
    """
    accepted = [Accepted(each.row, clip, each.soundness) for each, clip in zip(chosen, corpus.clips, strict=True)]
    return make_report(corpus, accepted, listing, extent)
