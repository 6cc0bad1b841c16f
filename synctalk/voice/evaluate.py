"""How good a trained voice is: it says the held-out texts, and is compared with the recordings of them.

Files, beside the checkpoints: `evaluation.json` (a `VoiceEvaluation`) and `evaluation.png` (the recorded and the spoken
mel spectrogram of one clip). The same checkpoint gives the same figures on the same machine, but for the speed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synctalk import files
from synctalk.errors import InputError, StoppedError
from synctalk.log import get_logger
from synctalk.media.audio import Samples
from synctalk.progress import Progress
from synctalk.voice.cepstral import mel_cepstral_distance
from synctalk.voice.corpus import FULL_SCALE, Clip, Corpus, open_corpus
from synctalk.voice.evaluation import VoiceEvaluation
from synctalk.voice.evaluation_picture import draw_pair
from synctalk.voice.reader import Delivery
from synctalk.voice.recogniser import Recogniser, open_recogniser, recogniser_name, why_not_recognised
from synctalk.voice.soundcheck import speech_bounds
from synctalk.voice.soundness import FULL, SILENCE_RMS
from synctalk.voice.speak import Voice
from synctalk.voice.trained import STAGE, TrainedVoice, load_trained_voice
from synctalk.voice.word_errors import character_error_rate, word_error_rate, words_of
from synctalk.workspace import Workspace

REPORT, PICTURE = "evaluation.json", "evaluation.png"
MOST_CLIPS = 20
_SEED = 0
_LEAST_LEVEL = 1e-6
_log = get_logger(__name__)


@dataclass(frozen=True, eq=False)
class Spoken:
    """One held-out clip, recorded and spoken.

    Attributes:
        clip: What it is.
        recorded: Its samples `[R]`, in [-1, 1].
        said: What the voice made of its text `[S]`, in [-1, 1].
        seconds: How long that took.
    """

    clip: Clip
    recorded: Samples
    said: Samples
    seconds: float


def evaluate_voice(
    workspace: Workspace,
    *,
    which: str = "best",
    most_clips: int = MOST_CLIPS,
    should_stop: Callable[[], bool] = files.never,
) -> VoiceEvaluation | None:
    """Measure the trained voice of a dataset, and write the two files beside its checkpoints.

    Args:
        workspace: The dataset, prepared and trained.
        which: Checkpoint: `best`, the number of an epoch, or a path.
        most_clips: Held-out clips to say at most, evenly spread over all.
        should_stop: Asked before each clip.

    Returns:
        The figures; None when it was stopped (then nothing is written).

    Raises:
        InputError: Nothing is trained, or nothing held out.
        StageError: The voice makes numbers that are not finite.
    """
    trained = load_trained_voice(workspace, which)
    corpus, samples = open_corpus(workspace.voice)
    progress = Progress(None, dataset=workspace.name, stage="evaluate")
    result = say_held_out(
        trained, corpus, samples, most_clips=most_clips, progress=progress, should_stop=should_stop
    )  # fmt: skip
    if result is None:
        return None
    spoken, unspoken = result
    try:
        evaluation = measure(trained, corpus, spoken, unspoken, should_stop=should_stop)
    except StoppedError:
        return None
    folder = files.make_folder(workspace.training(STAGE))
    shown = spoken[len(spoken) // 2]
    draw_pair(folder / PICTURE, shown.recorded, shown.said, rate_hz=corpus.rate_hz, title=shown.clip.name)
    files.write_json(folder / REPORT, evaluation)
    return evaluation


def say_held_out(
    trained: TrainedVoice,
    corpus: Corpus,
    samples: NDArray[np.int16],
    *,
    most_clips: int,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> tuple[list[Spoken], list[str]] | None:
    """The held-out texts as the voice says them, and the names of those that it cannot say; None when stopped.

    Raises:
        InputError: Nothing is held out, or the clips have another rate than the voice.
        StageError: The voice makes numbers that are not finite.
    """
    clips = _chosen(trained, corpus, most_clips)
    voice = Voice.of_model(trained.facts, trained.model)
    spoken, unspoken = [], []
    progress.begin("", total=len(clips), unit="clip")
    try:
        for clip in clips:
            if should_stop():
                return None
            try:
                spoken.append(_say(voice, clip, corpus, samples))
            except InputError as error:
                _log.warning("evaluate: clip %s cannot be said: %s", clip.name, error.message)
                unspoken.append(clip.name)
            progress.advance()
    finally:
        progress.end()
    if not spoken:
        raise InputError(
            f"the voice of {trained.dataset!r} can say none of the held-out texts", hint="prepare and train again"
        )
    return spoken, unspoken


def measure(
    trained: TrainedVoice,
    corpus: Corpus,
    spoken: Sequence[Spoken],
    unspoken: list[str],
    *,
    known: VoiceEvaluation | None = None,
    should_stop: Callable[[], bool] = files.never,
) -> VoiceEvaluation:
    """The figures of what was said.

    Args:
        trained: The voice.
        corpus: What it was trained on.
        spoken: At least one clip.
        unspoken: Names of those that it cannot say.
        known: Of another voice that said the same texts; the recogniser need not hear the recordings again.
        should_stop: Asked before each clip that the recogniser hears.

    Raises:
        InputError: The recogniser is there and cannot be loaded.
        StoppedError: `should_stop` said so.
    """
    rate_hz = corpus.rate_hz
    lengths = [(_speech_s(each.said, rate_hz), _speech_s(each.recorded, rate_hz)) for each in spoken]
    lengths = [(said_s, recorded_s) for said_s, recorded_s in lengths if recorded_s]
    recorded_s = sum(recorded for _, recorded in lengths)
    said = np.concatenate([each.said for each in spoken])
    recorded = np.concatenate([each.recorded for each in spoken])
    missing = why_not_recognised(corpus.language)
    evaluation = VoiceEvaluation(
        dataset=trained.dataset,
        model=trained.source,
        clips=len(spoken),
        words=sum(len(words_of(each.clip.text)) for each in spoken),
        unspoken=unspoken,
        recogniser=missing or recogniser_name(),
        mel_cepstral_distance_db=float(
            np.mean([mel_cepstral_distance(each.said, each.recorded, rate_hz=rate_hz) for each in spoken])
        ),
        duration_ratio=sum(said_s for said_s, _ in lengths) / recorded_s if lengths else None,
        duration_error=float(np.mean([abs(one - other) / other for one, other in lengths])) if lengths else None,
        level_dbfs=_decibels(_rms(said)),
        level_dbfs_true=_decibels(_rms(recorded)),
        peak_dbfs=_decibels(float(np.abs(said).max())),
        peak_dbfs_true=_decibels(float(np.abs(recorded).max())),
        silent=float(np.mean([_rms(each.said) < SILENCE_RMS for each in spoken])),
        clipped=float(np.mean(np.abs(said) >= FULL)),
        real_time_factor=sum(each.seconds for each in spoken) / (len(said) / rate_hz),
    )
    if not missing:
        _listen(evaluation, spoken, _stoppable(open_recogniser(rate_hz=rate_hz), should_stop), known)
    return evaluation


def _stoppable(recognise: Recogniser, should_stop: Callable[[], bool]) -> Recogniser:
    """A recogniser needs about as long as what it hears; between two clips it can be stopped."""

    def hear(samples: Samples) -> str:
        if should_stop():
            raise StoppedError
        return recognise(samples)

    return hear


def _chosen(trained: TrainedVoice, corpus: Corpus, most_clips: int) -> list[Clip]:
    clips = list(corpus.chosen(is_held_out=True))
    if not clips:
        raise InputError(
            f"no clip of {trained.dataset!r} is held out for measuring",
            hint="prepare again with a share held out: --set prepare.held_out=0.1",
        )
    if trained.facts.rate_hz != corpus.rate_hz:
        raise InputError(
            f"the voice has {trained.facts.rate_hz} samples per second, the prepared clips {corpus.rate_hz}",
            hint=f"prepare them for it: --set prepare.rate_hz={trained.facts.rate_hz}",
        )
    count = min(len(clips), max(1, most_clips))
    return [clips[number * len(clips) // count] for number in range(count)]


def _say(voice: Voice, clip: Clip, corpus: Corpus, samples: NDArray[np.int16]) -> Spoken:
    began = time.monotonic()
    delivery = Delivery(speaker=corpus.speakers[clip.speaker], seed=_SEED)
    said = np.concatenate(list(voice.speak(clip.text, delivery)))
    seconds = time.monotonic() - began
    recorded = samples[clip.start : clip.start + clip.samples].astype(np.float32) / np.float32(FULL_SCALE)
    return Spoken(clip, recorded, said, seconds)


def _listen(
    evaluation: VoiceEvaluation, spoken: Sequence[Spoken], recognise: Recogniser, known: VoiceEvaluation | None
) -> None:
    """Add what a recogniser understands."""
    said = [(each.clip.text, recognise(each.said)) for each in spoken]
    evaluation.word_error_rate, evaluation.character_error_rate = word_error_rate(said), character_error_rate(said)
    if known is not None:
        evaluation.word_error_rate_true = known.word_error_rate_true
        evaluation.character_error_rate_true = known.character_error_rate_true
        return
    recorded = [(each.clip.text, recognise(each.recorded)) for each in spoken]
    evaluation.word_error_rate_true = word_error_rate(recorded)
    evaluation.character_error_rate_true = character_error_rate(recorded)


def _speech_s(samples: Samples, rate_hz: int) -> float:
    first, last = speech_bounds(samples, rate_hz=rate_hz)
    return (last - first) / rate_hz


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def _decibels(value: float) -> float:
    return 20 * math.log10(max(value, _LEAST_LEVEL))
