"""How good recordings are for a voice, property by property: figure, limits, verdict, and what to record again.

Pure functions of what was measured. The limits are advice drawn from what such networks need, and stand beside the
finding they belong to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from synctalk.media.verdict import Finding, Verdict, at_least, at_most, without_needless_advice
from synctalk.voice.listing import Reason
from synctalk.voice.soundcheck import SOME_CLIPPED, Soundness

_GOOD_MINUTES, _USABLE_MINUTES = 60.0, 10.0
_LEAST_OCCURRENCES = 5
_SHOWN_SIGNS = 12
_CHOSEN = {Reason.SURPLUS, Reason.VOTES}  # left out because it was asked for, not because something is wrong

# Whatever people have recorded becomes a voice; how good a one, the verdict says.
_at_least = partial(at_least, below=Verdict.POOR)
_at_most = partial(at_most, below=Verdict.POOR)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What recordings are judged by; all lists have one entry for each clip that is used.

    Attributes:
        rate_hz: Of the voice.
        soundness: What was measured.
        lengths_s: Of what is used, margins included.
        texts: In plain signs.
        speakers: Who speaks.
        left_out: How many rows for which reason.
        rates: How many recordings have which rate.
    """

    rate_hz: int
    soundness: Sequence[Soundness]
    lengths_s: NDArray[np.float64]
    texts: Sequence[str]
    speakers: Sequence[str]
    left_out: Mapping[Reason, int]
    rates: Mapping[int, int]

    @property
    def minutes(self) -> float:
        """Of all clips."""
        return float(self.lengths_s.sum()) / 60

    @property
    def minutes_by_speaker(self) -> dict[str, float]:
        """Of the clips of each speaker."""
        minutes = dict.fromkeys(self.speakers, 0.0)
        for name, length_s in zip(self.speakers, self.lengths_s, strict=True):
            minutes[name] += float(length_s) / 60
        return minutes

    @property
    def characters_per_second(self) -> NDArray[np.float64]:
        """Of speech, in each clip."""
        speech_s = np.array([each.speech_s for each in self.soundness])
        return np.asarray(np.array([len(text) for text in self.texts]) / speech_s)

    @cached_property
    def signs(self) -> Counter[str]:
        """In how many clips each sign occurs."""
        return Counter(sign for text in self.texts for sign in set(text))


def judge(evidence: Evidence) -> list[Finding]:
    """Everything that can be said about some recordings."""
    return without_needless_advice(look(evidence) for look in _LOOKS)


def minutes_advised(evidence: Evidence) -> float:
    """How many minutes more make a good voice; 0 when there is enough."""
    return max(0.0, _GOOD_MINUTES - evidence.minutes)


def rare_signs(evidence: Evidence) -> list[str]:
    """Letters that occur in too few clips to be learned well, the rarest first."""
    rare = [sign for sign, count in evidence.signs.items() if sign.isalpha() and count < _LEAST_OCCURRENCES]
    return sorted(rare, key=lambda sign: (evidence.signs[sign], sign))


def _amount(evidence: Evidence) -> Finding:
    value = evidence.minutes
    return Finding(
        name="amount",
        value=value,
        unit="min",
        verdict=_at_least(value, good=_GOOD_MINUTES, usable=_USABLE_MINUTES),
        text=f"{value:.1f} minutes in {len(evidence.texts)} clips",
        advice=f"record {minutes_advised(evidence):.0f} minutes more, or start from a finished voice: vits.initial",
    )


def _left_out(evidence: Evidence) -> Finding:
    wrong = sum(count for reason, count in evidence.left_out.items() if reason not in _CHOSEN)
    rows = wrong + len(evidence.texts)
    return Finding(
        name="left out",
        value=wrong / rows,
        unit="share",
        verdict=_at_most(wrong / rows, good=0.05, usable=0.3),
        text=f"{wrong} of {rows} rows cannot be used",
        advice="put right the rows that are left out: each is listed with its reason",
    )


def _speakers(evidence: Evidence) -> Finding:
    minutes = evidence.minutes_by_speaker
    name = min(minutes, key=lambda speaker: minutes[speaker])
    is_alone = len(minutes) == 1
    return Finding(
        name="speakers",
        value=len(minutes),
        unit="",
        verdict=Verdict.GOOD if is_alone else _at_least(minutes[name], good=10.0, usable=0.5),
        text="one speaker" if is_alone else f"{len(minutes)} speakers, the least has {minutes[name]:.1f} minutes",
        advice=f"record more of {name[:16]}, or leave this speaker out",
    )


def _noise(evidence: Evidence) -> Finding:
    value = float(np.median([each.noise_db for each in evidence.soundness]))
    return Finding(
        name="noise",
        value=value,
        unit="dB",
        verdict=_at_least(value, good=30.0, usable=18.0),
        text=f"the voice is {value:.0f} dB above the softest moments",
        advice="record in a quieter room, nearer to the microphone; switch fans off",
    )


def _clipping(evidence: Evidence) -> Finding:
    value = float(np.mean([each.clipped > SOME_CLIPPED for each in evidence.soundness]))
    return Finding(
        name="clipping",
        value=value,
        unit="share",
        verdict=_at_most(value, good=0.01, usable=0.2),
        text=f"{100 * value:.0f} % of the clips are overloaded",
        advice="lower the recording level until no peak reaches the end of the scale",
    )


def _level(evidence: Evidence) -> Finding:
    levels = [each.level_dbfs for each in evidence.soundness]
    value = float(np.std(levels))
    return Finding(
        name="level",
        value=value,
        unit="dB",
        verdict=_at_most(value, good=3.0, usable=8.0),
        text=f"around {np.median(levels):.0f} dBFS, differing by {value:.1f} dB",
        advice="keep the same distance to the microphone, and the same gain",
    )


def _rate(evidence: Evidence) -> Finding:
    lower = sum(count for rate, count in evidence.rates.items() if rate < evidence.rate_hz)
    value = lower / max(1, sum(evidence.rates.values()))
    return Finding(
        name="rate",
        value=value,
        unit="share",
        verdict=_at_most(value, good=0.0, usable=0.5),
        text=f"{lower} recordings have less than {evidence.rate_hz} samples per second",
        advice="record with 44100 or 48000, or set prepare.rate_hz to 16000",
    )


def _length(evidence: Evidence) -> Finding:
    value = float(np.mean((evidence.lengths_s >= 1.0) & (evidence.lengths_s <= 12.0)))
    return Finding(
        name="length",
        value=value,
        unit="share",
        verdict=_at_least(value, good=0.8, usable=0.0),
        text=f"{100 * value:.0f} % of the clips last 1 to 12 seconds, half of them "
        f"{np.median(evidence.lengths_s):.1f} or more",
        advice="record a sentence per clip",
    )


def _silence(evidence: Evidence) -> Finding:
    value = float(np.mean([each.silence for each in evidence.soundness]))
    return Finding(
        name="silence",
        value=value,
        unit="share",
        verdict=_at_most(value, good=0.4, usable=1.0),
        text=f"{100 * value:.0f} % of the recordings was silence before and after the speech, and is cut",
        advice="nothing is wrong with it; look whether the ends of words are still there",
    )


def _pace(evidence: Evidence) -> Finding:
    paces = evidence.characters_per_second
    value = float(np.std(paces) / np.mean(paces))
    return Finding(
        name="pace",
        value=value,
        unit="share",
        verdict=_at_most(value, good=0.25, usable=1.0),
        text=f"{np.median(paces):.1f} characters per second, differing by {100 * value:.0f} %",
        advice="read evenly; see that the texts say exactly what is spoken, numbers as words",
    )


def _characters(evidence: Evidence) -> Finding:
    rare = rare_signs(evidence)
    letters = [sign for sign in evidence.signs if sign.isalpha()]
    value = len(rare) / max(1, len(letters))
    return Finding(
        name="characters",
        value=value,
        unit="share",
        verdict=_at_most(value, good=0.1, usable=1.0),
        text=f"{len(letters)} letters, {len(rare)} of them in fewer than {_LEAST_OCCURRENCES} clips",
        advice=f"record sentences with {' '.join(rare[:_SHOWN_SIGNS])}",
    )


_LOOKS: tuple[Callable[[Evidence], Finding], ...] = (
    _amount, _left_out, _speakers, _noise, _clipping, _level, _rate, _length, _silence, _pace, _characters,
)  # fmt: skip
