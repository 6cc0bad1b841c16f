"""The stage `corrections`: all corrections of a voice become clips, as `prepare` makes them from recordings.

Into `dataset/NAME/corrected/` go `clips.json`, `audio.npy` and `rejected.csv`. A correction that is the very recording
of a held-out clip is left out: the voice is measured by it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.log import get_logger
from synctalk.outcome import Outcome
from synctalk.pipeline.stage import StageContext, StageResult
from synctalk.voice.admission import Screen
from synctalk.voice.corpus import AUDIO, CLIPS, Clip, Corpus, open_corpus, sound_hash, write_corpus
from synctalk.voice.correction_store import read_corrections
from synctalk.voice.gathering import Gathering, Kept
from synctalk.voice.listing import Reason, Rejection, Row, RowError
from synctalk.voice.prepared_tables import REJECTED, write_rejected
from synctalk.voice.samplefile import SampleFile
from synctalk.voice.trained import trained_facts
from synctalk.voice.transcription import screen_phonemes
from synctalk.voice.voicemodel import VoiceFacts

_log = get_logger(__name__)


def run_corrections(context: StageContext) -> StageResult:
    """Prepare every correction that was given so far.

    Raises:
        InputError: There are none, none can be used, or there is no trained voice.
        StorageError: The disk refused.
    """
    folder = context.workspace.corrected
    with files.translating_os_errors(folder):
        try:
            return _prepare(context, files.make_folder(folder))
        except StoppedError:
            return StageResult(Outcome.INTERRUPTED)


def _prepare(context: StageContext, folder: Path) -> StageResult:
    facts = trained_facts(context.workspace)
    files.sweep_leftovers(folder)
    rejections: list[Rejection] = []
    rows = _rows(context.workspace.corrections, Screen(facts), rejections)
    if facts.espeak:
        rows = _with_phonemes(rows, facts.espeak, context, rejections)
    settings = msgspec.structs.replace(context.settings.prepare, most_clips=0)
    with SampleFile(folder) as store:
        gathering = Gathering(settings, store, context.should_stop, rejections)
        heard = gathering.choose(gathering.listen(rows, context.progress))
        chosen = _without_held_out(heard, store, context, rejections)
        write_rejected(folder / REJECTED, rejections)
        if not chosen:
            raise _nothing_left(rejections)
        (folder / CLIPS).unlink(missing_ok=True)
        store.copy(((each.start, each.samples) for each in chosen), folder / AUDIO, should_stop=context.should_stop)
    write_corpus(folder, _corpus(chosen, facts))
    for each in rejections:
        _log.warning("correction %s is left out: %s", each.name, each.explanation)
    return StageResult(Outcome.FINISHED, {"corrections": len(chosen), "left_out": len(rejections)})


def _rows(folder: Path, screen: Screen, rejections: list[Rejection]) -> list[Row]:
    """The corrections as rows that the voice can learn; checked again, because the voice may be another than then."""
    rows = []
    for key, correction in read_corrections(folder).items():
        source = f"{key}.json"
        row = Row(correction.name, correction.speaker, correction.text, folder / correction.sound, 0, source)
        try:
            rows.append(screen.check(row))
        except RowError as error:
            rejections.append(Rejection(source, 0, row.name, error.reason, error.detail))
    return rows


def _with_phonemes(rows: list[Row], espeak: str, context: StageContext, rejections: list[Rejection]) -> list[Row]:
    """The rows as a voice reads them that reads phonemes."""
    read = []
    for row, problem in screen_phonemes(rows, espeak, context.should_stop):
        if problem is None:
            read.append(row)
        else:
            rejections.append(Rejection(row.source, 0, row.name, problem.reason, problem.detail))
    return read


def _without_held_out(
    heard: list[Kept], store: SampleFile, context: StageContext, rejections: list[Rejection]
) -> list[Kept]:
    corpus, samples = open_corpus(context.workspace.voice)
    lengths = {each.samples for each in heard}
    held_out = {sound_hash(samples, clip): clip for clip in corpus.chosen(is_held_out=True) if clip.samples in lengths}
    chosen = []
    for each in heard:
        clip = held_out.get(sound_hash(store.read(each.start, each.samples)))
        if clip is None:
            chosen.append(each)
        else:
            rejections.append(Rejection(each.row.source, 0, each.row.name, Reason.HELD_OUT, f"as {clip.name}"))
    return chosen


def _corpus(chosen: list[Kept], facts: VoiceFacts) -> Corpus:
    clips, start = [], 0
    for each in chosen:
        speaker = facts.speakers.index(each.row.speaker)
        clips.append(
            Clip(
                name=each.row.name,
                text=each.row.text,
                speaker=speaker,
                start=start,
                samples=each.samples,
                phonemes=each.row.phonemes,
            )
        )
        start += each.samples
    return Corpus(
        rate_hz=facts.rate_hz,
        language=facts.language,
        extra_signs=facts.extra_signs,
        speakers=facts.speakers,
        clips=tuple(clips),
        espeak=facts.espeak,
    )


def _nothing_left(rejections: list[Rejection]) -> InputError:
    reasons = "; ".join(f"{each.name}: {each.explanation}" for each in rejections) or "none was given"
    return InputError(
        f"there is no correction to learn from: {reasons}", hint="give some: synctalk feedback NAME --recordings DIR"
    )
