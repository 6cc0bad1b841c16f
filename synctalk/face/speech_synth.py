"""A small formant synthesiser: phonemes to sound, and to the mouth that goes with it.

Air pulses of the vocal folds and noise go through moving resonances, the way textbooks describe a vocal tract. Sound
and mouth come from one list of segments and are smoothed alike, so that the mouth can be told from about a tenth of
a second of sound on either side. Nothing here sounds like anybody. All of it is a function of its seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly, sosfilt

from synctalk.config import AUDIO_RATE_HZ, FPS, SAMPLES_PER_FRAME
from synctalk.face.phonemes import CONSONANTS, PHONEMES, VOWELS, Segment, pause

Floats = NDArray[np.float64]

SPEECH_LEVEL_DB = -20.0
"""RMS of the spoken parts, relative to full scale."""
ROOM_LEVEL_DB = -66.0

_TICK_HZ = 200
_TICK_SAMPLES = AUDIO_RATE_HZ // _TICK_HZ
_PITCH_HZ = 122.0
_BANDWIDTHS_HZ = np.array([70.0, 90.0, 130.0, 250.0, 350.0])
_UPPER_FORMANTS_HZ = (3500.0, 4500.0)
_MOUTH_SPAN_S = 0.15
_FORMANT_SPAN_S = 0.07
_STRENGTH_SPAN_S = 0.02
_SEAL_SPAN_S = 0.07


@dataclass(frozen=True)
class Performance:
    """Speech and the mouth that made it.

    Attributes:
        samples: Float32 mono at 16 kHz, `[N * 640]`, within [-1, 1].
        opening: Of the mouth in the middle of each 25 fps frame, 0 shut to 1 wide open, `[N]`.
        width: Of the mouth, 0 rounded to 1 spread, `[N]`.
    """

    samples: NDArray[np.float32]
    opening: Floats
    width: Floats


@dataclass(frozen=True)
class Sound:
    """One segment as it is said in its place.

    Attributes:
        segment: What is said; its duration is the one wanted here.
        effort: Loudness and size of the movement, about 1.
        accent: How much the pitch rises here, relative.
        pitch: The pitch without the accent, relative to the speaker's.
    """

    segment: Segment
    effort: float = 1.0
    accent: float = 0.0
    pitch: float = 1.0


def phrase_sounds(syllables: Sequence[Sequence[str]], *, random: np.random.Generator, rises: bool) -> list[Sound]:
    """Say syllables (or words) in one breath, with a natural melody, speed and stress.

    Args:
        syllables: Phoneme names of each.
        random: Source of all that varies.
        rises: Whether the pitch goes up at the end, as in a question.
    """
    speed = random.uniform(0.86, 1.14)
    sounds: list[Sound] = []
    for index, names in enumerate(syllables):
        place = index / max(1, len(syllables) - 1)
        pitch = 1.10 - 0.22 * place + (0.34 * max(0.0, place - 0.6) if rises else 0.0)
        effort = random.uniform(0.82, 1.0)
        accent = random.uniform(0.05, 0.18) if random.random() < 0.55 else 0.0
        stretch = (1.25 if index == len(syllables) - 1 else 1.0) * (1 + accent) / speed
        for segment in (segment for name in names for segment in PHONEMES[name].segments):
            duration_s = segment.duration_s * stretch * random.uniform(0.9, 1.1)
            sounds.append(Sound(replace(segment, duration_s=duration_s), effort, accent, pitch))
    return sounds


def silence(duration_s: float) -> Sound:
    """A pause with the mouth at rest."""
    return Sound(pause(duration_s))


def babble_syllables(count: int, random: np.random.Generator) -> list[list[str]]:
    """Random syllables in which every phoneme comes about equally often."""
    vowels = _shuffled_bag(VOWELS, count, random)
    consonants = _shuffled_bag(CONSONANTS, 2 * count, random)
    syllables = []
    for index, vowel in enumerate(vowels):
        onset, coda = consonants[2 * index], consonants[2 * index + 1]
        begins, ends = random.random() < 0.9, random.random() < 0.35
        syllables.append([*([onset] if begins else []), vowel, *([coda] if ends else [])])
    return syllables


def _shuffled_bag(names: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    """`count` names, drawn until the bag is empty before it is filled again."""
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += [names[index] for index in random.permutation(len(names))]
    return drawn[:count]


def duration_of(sounds: Sequence[Sound]) -> float:
    """Seconds."""
    return sum(sound.segment.duration_s for sound in sounds)


def perform(sounds: Sequence[Sound], *, frames: int, seed: int) -> Performance:
    """Speak: sound and mouth of exactly `frames` frames; what is missing is silence, what is too long is cut.

    Args:
        sounds: In order, from the beginning of the first frame.
        frames: How many 25 fps frames, at least 1.
        seed: Of the noises of breath and room.
    """
    ticks = -(-frames * SAMPLES_PER_FRAME // _TICK_SAMPLES)
    score = _Score(sounds, ticks)
    opening, width = _move_mouth(score)
    samples = _level(_voice(score, np.random.default_rng([seed, 0x50DD])), score, np.random.default_rng([seed, 0x2003]))
    moments = (np.arange(frames) + 0.5) * (_TICK_HZ / FPS) - 0.5
    at = np.arange(ticks)
    return Performance(
        samples=samples[: frames * SAMPLES_PER_FRAME],
        opening=np.interp(moments, at, opening),
        width=np.interp(moments, at, width),
    )


class _Score:
    """The sounds on a grid of 200 ticks per second."""

    def __init__(self, sounds: Sequence[Sound], ticks: int) -> None:
        padded = [*sounds, silence(ticks / _TICK_HZ + 1.0)]
        ends = np.cumsum([sound.segment.duration_s for sound in padded])
        moments = (np.arange(ticks) + 0.5) / _TICK_HZ
        self._at = np.searchsorted(ends, moments)
        self._sounds = padded
        self.effort = self._spread([sound.effort for sound in padded])
        self.accent = self._spread([sound.accent for sound in padded])
        self.pitch = self._spread([sound.pitch for sound in padded])
        self.is_shut = self.part("is_shut")

    def part(self, name: str) -> Floats:
        """One property of the segments at each tick, `[ticks]`, or `[ticks, 3]` for the formants."""
        return self._spread([getattr(sound.segment, name) for sound in self._sounds])

    def _spread(self, values: Sequence[object]) -> Floats:
        return np.asarray(values, dtype=np.float64)[self._at]


def _smoothed(track: Floats, span_s: float) -> Floats:
    """A track `[ticks, ...]` smoothed by a bell that is `span_s` long, without delay."""
    reach = max(1, round(span_s * _TICK_HZ / 2))
    weights = np.hanning(2 * reach + 3)[1:-1]
    weights /= weights.sum()
    padded = np.pad(track, [(reach, reach)] + [(0, 0)] * (track.ndim - 1), mode="edge")
    return np.asarray(sum(weight * padded[shift : shift + len(track)] for shift, weight in enumerate(weights)))


def _move_mouth(score: _Score) -> tuple[Floats, Floats]:
    """Opening and width at each tick: targets reached smoothly, except that shut lips are really shut."""
    effort = 0.4 + 0.6 * score.effort
    opening = _smoothed(score.part("opening") * effort, _MOUTH_SPAN_S)
    sealed = np.convolve(score.is_shut, np.ones(5), mode="same") > 0
    seal = np.minimum(1.0, 1.02 * _smoothed(sealed.astype(np.float64), _SEAL_SPAN_S))
    return np.clip(opening * (1 - seal), 0.0, 1.0), np.clip(_smoothed(score.part("width"), _MOUTH_SPAN_S), 0.0, 1.0)


def _voice(score: _Score, random: np.random.Generator) -> Floats:
    """The sound before its level is set, `[ticks * 80]`."""
    strength = _smoothed(score.part("voice") * score.effort, _STRENGTH_SPAN_S)
    breath = _smoothed(score.part("breath") * score.effort, _STRENGTH_SPAN_S)
    hiss = _smoothed(score.part("hiss") * score.effort, _STRENGTH_SPAN_S)
    pulses = _glottal_pulses(_pitch_track(score, random), random) * _per_sample(strength)
    noise = random.normal(0, 1, (2, len(pulses)))
    throat = _resonate(pulses + 0.12 * noise[0] * _per_sample(breath), *_formant_tracks(score))
    centre = _smoothed(score.part("hiss_hz"), _STRENGTH_SPAN_S)
    spread = _smoothed(score.part("hiss_width_hz"), _STRENGTH_SPAN_S)
    teeth = _resonate(np.diff(noise[1], prepend=0.0), centre[:, None], spread[:, None])
    teeth *= _per_sample(hiss * np.sqrt(500.0 / spread) * centre / 2500.0)
    return throat + 0.06 * teeth


def _formant_tracks(score: _Score) -> tuple[Floats, Floats]:
    """Frequencies and bandwidths of five resonances at each tick, `[ticks, 5]` each."""
    low = score.part("formants")
    low[:, 0] *= 0.82 + 0.18 * score.effort
    low = _smoothed(low, _FORMANT_SPAN_S)
    high = np.broadcast_to(_UPPER_FORMANTS_HZ, (len(low), 2))
    damping = _smoothed(score.part("damping"), _STRENGTH_SPAN_S)
    return np.hstack([low, high]), _BANDWIDTHS_HZ * damping[:, None]


def _pitch_track(score: _Score, random: np.random.Generator) -> Floats:
    """Hz at each tick: melody, accents, and the drift no voice is without."""
    ticks = len(score.pitch)
    drift = _smoothed(random.normal(0, 1, ticks), 0.3) * 0.06
    melody = _smoothed(score.pitch, 0.25) * (1 + _smoothed(score.accent, 0.16))
    return _PITCH_HZ * melody * (1 + drift)


def _glottal_pulses(pitch_hz: Floats, random: np.random.Generator) -> Floats:
    """The flow of air through the vocal folds, differentiated; made at twice the rate so that it does not alias."""
    jitter = 1 + 0.008 * random.normal(0, 1, len(pitch_hz))
    per_sample = np.repeat(pitch_hz * jitter, 2 * _TICK_SAMPLES)
    cycle = np.cumsum(per_sample / (2 * AUDIO_RATE_HZ)) % 1.0
    rising = 0.5 * (1 - np.cos(np.pi * cycle / 0.42))
    falling = np.cos(0.5 * np.pi * (cycle - 0.42) / 0.18)
    flow = np.where(cycle < 0.42, rising, np.where(cycle < 0.60, falling, 0.0))
    return np.asarray(resample_poly(np.diff(flow, prepend=0.0), 1, 2)) * 8.0


def _resonate(source: Floats, centres_hz: Floats, bandwidths_hz: Floats) -> Floats:
    """Send a sound through resonances in a row that change at every tick, `[ticks, R]`; each has gain 1 at 0 Hz."""
    decay = np.exp(-np.pi * bandwidths_hz / AUDIO_RATE_HZ)
    turn = 2 * decay * np.cos(2 * np.pi * np.minimum(centres_hz, 7600.0) / AUDIO_RATE_HZ)
    sections = np.zeros((*centres_hz.shape, 6))  # [ticks, R, 6]
    sections[..., 0] = 1 - turn + decay**2
    sections[..., 3:] = np.stack([np.ones_like(turn), -turn, decay**2], axis=-1)
    result = np.empty_like(source)
    memory = np.zeros((centres_hz.shape[1], 2))
    for tick, filters in enumerate(sections):
        piece = slice(tick * _TICK_SAMPLES, (tick + 1) * _TICK_SAMPLES)
        result[piece], memory = sosfilt(filters, source[piece], zi=memory)
    return result


def _per_sample(track: Floats) -> Floats:
    """A tick track drawn out to the sample rate without steps."""
    at = (np.arange(len(track) * _TICK_SAMPLES) + 0.5) / _TICK_SAMPLES - 0.5
    return np.asarray(np.interp(at, np.arange(len(track)), track))


def _level(sound: Floats, score: _Score, random: np.random.Generator) -> NDArray[np.float32]:
    """Bring the spoken parts to their level, round off the rare peaks, and add the quiet of a room."""
    speaks = _per_sample((score.part("voice") + score.part("breath") + score.part("hiss") > 0).astype(np.float64)) > 0.5
    rms = float(np.sqrt(np.mean(np.square(sound[speaks])))) if speaks.any() else 0.0
    wanted = 10 ** (SPEECH_LEVEL_DB / 20)
    loud = sound * (wanted / rms) if rms > 0 else sound
    rounded = np.where(np.abs(loud) < 0.6, loud, np.sign(loud) * (0.6 + 0.35 * np.tanh((np.abs(loud) - 0.6) / 0.35)))
    room = random.normal(0, 10 ** (ROOM_LEVEL_DB / 20), len(sound))
    return np.asarray(rounded + room, dtype=np.float32)
