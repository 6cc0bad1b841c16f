"""A small prepared corpus without alignments in a language that reads letters: every letter is a tone of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synctalk.voice.corpus import AUDIO, Clip, Corpus, write_corpus

RATE_HZ = 16_000
TEXTS = ["Da, so nah.", "So da, oh nah.", "Nah da so, oh.", "Oh, da nah so.", "So nah, da oh.", "Nah, oh so da."]
LETTERS = "adhnos"
SILENCE_S = 0.15


@dataclass(frozen=True)
class Lettered:
    """One clip.

    Attributes:
        sound: int16 samples.
        starts_s: When each word begins.
    """

    sound: np.ndarray
    starts_s: list[float]


def speak(text: str, *, seed: int) -> Lettered:
    """A silence, the letters of each word with lengths of their own, and a pause at each mark."""
    random = np.random.default_rng(seed)
    parts, starts_s, now_s = [quiet(SILENCE_S, random)], [], SILENCE_S
    for word in text.lower().split():
        starts_s.append(now_s)
        for letter in word.strip(",."):
            seconds = random.uniform(0.06, 0.16)
            parts.append(tone(letter, seconds) + quiet(seconds, random))
            now_s += len(parts[-1]) / RATE_HZ
        if word[-1] in ",.":
            parts.append(quiet(SILENCE_S, random))
            now_s += len(parts[-1]) / RATE_HZ
    return Lettered((20_000 * np.concatenate(parts)).astype(np.int16), starts_s)


def tone(letter: str, seconds: float) -> np.ndarray:
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    base_hz = 250 + 600 * LETTERS.index(letter)
    return sum(np.sin(2 * np.pi * factor * base_hz * times) for factor in (1.0, 1.5)) / 4


def quiet(seconds: float, random: np.random.Generator) -> np.ndarray:
    return 0.001 * random.standard_normal(round(seconds * RATE_HZ))


def write_lettered(voice: Path, *, language: str = "de_DE") -> tuple[Corpus, dict[str, list[float]]]:
    """Write the corpus; the last clip is held out.

    Returns:
        It, and when each word of each clip begins, in seconds.
    """
    voice.mkdir(parents=True)
    spoken = [speak(text, seed=number) for number, text in enumerate(TEXTS)]
    clips, start = [], 0
    for number, (text, one) in enumerate(zip(TEXTS, spoken, strict=True)):
        is_held_out = number == len(TEXTS) - 1
        clips.append(
            Clip(name=f"clip_{number}", text=text, start=start, samples=len(one.sound), is_held_out=is_held_out)
        )
        start += len(one.sound)
    np.save(voice / AUDIO, np.concatenate([one.sound for one in spoken]))
    corpus = Corpus(rate_hz=RATE_HZ, language=language, clips=tuple(clips))
    write_corpus(voice, corpus)
    return corpus, {clip.name: one.starts_s for clip, one in zip(clips, spoken, strict=True)}
