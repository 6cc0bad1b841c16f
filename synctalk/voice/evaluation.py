"""The figures of a voice's evaluation: what `evaluation.json` holds, and how it is told to people. Plain data."""

from __future__ import annotations

import msgspec

_MEANINGS = (
    ("mel_cepstral_distance_db", " dB", "from the recordings; smaller is better"),
    ("duration_ratio", "", "length of the speech, spoken over recorded; 1 is right"),
    ("duration_error", "", "mean deviation of a clip's length; 0 is best"),
    ("level_dbfs", " dBFS", "mean level"),
    ("level_dbfs_true", " dBFS", "the same of the recordings"),
    ("peak_dbfs", " dBFS", "loudest sample"),
    ("peak_dbfs_true", " dBFS", "the same of the recordings"),
    ("silent", "", "share of clips that cannot be heard; 0 is right"),
    ("clipped", "", "share of samples at full scale; 0 is right"),
    ("real_time_factor", "", "seconds of work per second of speech"),
    ("word_error_rate", "", "words that the recogniser gets wrong; smaller is better"),
    ("word_error_rate_true", "", "the same of the recordings"),
    ("character_error_rate", "", "letters that it gets wrong"),
    ("character_error_rate_true", "", "the same of the recordings"),
)


class VoiceEvaluation(msgspec.Struct, kw_only=True):
    """What `evaluation.json` holds. A figure that cannot be known here is None.

    Attributes:
        dataset: Whose voice.
        model: Which checkpoint.
        clips: How many held-out texts were spoken.
        words: How many words they have together; 0 in reports from before they were counted.
        unspoken: Names of clips whose text the voice cannot say at all.
        recogniser: Who listened, or why nobody did.
        mel_cepstral_distance_db: Mean over the clips; see `synctalk.voice.cepstral`.
        duration_ratio: Seconds of speech spoken over seconds recorded, of all clips; silence around it does not count.
        duration_error: Mean of |spoken - recorded| / recorded.
        level_dbfs: Of the root mean square of all that was spoken; at least -120.
        level_dbfs_true: Of the recordings.
        peak_dbfs: Of the loudest sample of all that was spoken; at least -120.
        peak_dbfs_true: Of the recordings.
        silent: Share of clips with less than a thousandth of full scale.
        clipped: Share of samples at full scale.
        real_time_factor: Seconds of work per second of sound, on this machine's processor.
        word_error_rate: Of what was spoken; see `synctalk.voice.word_errors`.
        word_error_rate_true: Of the recordings: what the recogniser gets wrong by itself.
        character_error_rate: Of what was spoken.
        character_error_rate_true: Of the recordings.
    """

    dataset: str
    model: str
    clips: int
    unspoken: list[str]
    recogniser: str
    mel_cepstral_distance_db: float
    duration_ratio: float | None
    duration_error: float | None
    level_dbfs: float
    level_dbfs_true: float
    peak_dbfs: float
    peak_dbfs_true: float
    silent: float
    clipped: float
    real_time_factor: float
    word_error_rate: float | None = None
    word_error_rate_true: float | None = None
    character_error_rate: float | None = None
    character_error_rate_true: float | None = None
    words: int = 0


def format_voice_evaluation(evaluation: VoiceEvaluation) -> str:
    """The figures for people, one per line, each with what it means."""
    lines = [f"{evaluation.dataset}: {evaluation.clips} held-out clips, model {evaluation.model}"]
    for name, unit, meaning in _MEANINGS:
        value = getattr(evaluation, name)
        text = "unknown" if value is None else f"{value:.3g}{unit}"
        lines.append(f"  {name.replace('_', ' '):<28} {text:>12}  {meaning}")
    lines.append(f"  recogniser: {evaluation.recogniser}")
    if evaluation.unspoken:
        lines.append(f"  cannot be said: {', '.join(evaluation.unspoken)}")
    return "\n".join(lines)
