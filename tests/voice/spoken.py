"""A small prepared corpus with alignments: every phone is a tone of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synctalk.voice.corpus import AUDIO, Clip, Corpus, write_corpus
from synctalk.voice.textgrid import TextGrid
from tests.voice.grids import grid_of, written_long

RATE_HZ = 16_000
WORDS = {"oh": ("OW1",), "see": ("S", "IY1"), "you": ("Y", "UW1"), "me": ("M", "IY1")}
TEXTS = ["Oh, see me.", "You see, oh!", "See you me?", "Me, you."]
PAUSE_S, PHONE_S = 0.1, 0.15


def grid_for(text: str) -> TextGrid:
    """A pause, then each word, and pauses where there is punctuation."""
    words, phones = [("", PAUSE_S)], [("sil", PAUSE_S)]
    for word in text.lower().split():
        plain = word.strip(",.!?")
        words.append((plain, PHONE_S * len(WORDS[plain])))
        phones += [(phone, PHONE_S) for phone in WORDS[plain]]
        if plain != word:
            words.append(("", PAUSE_S))
            phones.append(("sp", PAUSE_S))
    return grid_of(words, phones)


def sound_of(grid: TextGrid) -> np.ndarray:
    """int16 samples."""
    names = sorted({phone for phones in WORDS.values() for phone in phones})
    parts = []
    for phone in grid.phones:
        times = np.arange(round(phone.start_s * RATE_HZ), round(phone.end_s * RATE_HZ)) / RATE_HZ
        hz = 0 if phone.is_silent else 300 + 350 * names.index(phone.mark)
        parts.append(np.sin(2 * np.pi * hz * times))
    return (8000 * np.concatenate(parts)).astype(np.int16)


def write_spoken(voice: Path, textgrids: Path, *, cut_s: float = 0.0) -> Corpus:
    """Write the corpus and its alignments.

    Args:
        voice: Of `clips.json` and `audio.npy`.
        textgrids: Of the alignments.
        cut_s: Seconds cut from the beginning of each clip.
    """
    voice.mkdir(parents=True)
    textgrids.mkdir(parents=True)
    clips, sounds, start = [], [], 0
    for number, text in enumerate(TEXTS):
        grid = grid_for(text)
        sound = sound_of(grid)[round(cut_s * RATE_HZ) :]
        name = f"clip_{number}"
        is_held_out = number == len(TEXTS) - 1
        clips.append(
            Clip(name=name, text=text, start=start, samples=len(sound), offset_s=cut_s, is_held_out=is_held_out)
        )
        (textgrids / f"{name}.TextGrid").write_text(written_long(grid))
        sounds.append(sound)
        start += len(sound)
    np.save(voice / AUDIO, np.concatenate(sounds))
    corpus = Corpus(rate_hz=RATE_HZ, language="en_US", clips=tuple(clips))
    write_corpus(voice, corpus)
    return corpus
