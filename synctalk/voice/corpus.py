"""The prepared recordings of one voice: what each clip says, and its sound.

`clips.json` lists the clips; `audio.npy` holds their samples one after another, 16 bits each, and is mapped into memory
rather than read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from synctalk import files
from synctalk.errors import InputError
from synctalk.voice.alphabet import Alphabet

CLIPS, AUDIO = "clips.json", "audio.npy"
FULL_SCALE = 32_768
_FORMAT = 1


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """One recording that is used.

    Attributes:
        name: As in the metadata.
        text: What is said, as written.
        speaker: Number of the speaker.
        start: Of its samples in `audio.npy`.
        samples: How many they are.
        offset_s: Seconds cut from the beginning of the recording.
        is_held_out: Whether it is only judged by, never learned from.
        phonemes: Of the text, for a voice that reads phonemes; else empty.
    """

    name: str
    text: str
    speaker: int = 0
    start: int
    samples: int
    offset_s: float = 0.0
    is_held_out: bool = False
    phonemes: str = ""


class Corpus(msgspec.Struct, frozen=True, kw_only=True):
    """What `clips.json` holds.

    Attributes:
        rate_hz: Samples per second.
        language: For example `en_US`.
        extra_signs: Signs of the texts, or of the phonemes, that Piper's map lacks.
        speakers: Their names; at least one.
        clips: In the order of `audio.npy`.
        espeak: The voice of espeak that gave the phonemes; empty when the letters themselves are learned.
        format: Of this file.
    """

    rate_hz: int
    language: str
    extra_signs: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ("speaker",)
    clips: tuple[Clip, ...]
    espeak: str = ""
    format: int = _FORMAT

    @property
    def alphabet(self) -> Alphabet:
        """The signs of the voice."""
        return Alphabet(self.extra_signs)

    @property
    def phonemes(self) -> tuple[str, ...]:
        """Those that are learned, sorted; none when letters are."""
        learned = self.chosen(is_held_out=False)
        return tuple(sorted({sign for clip in learned for sign in clip.phonemes}))

    def chosen(self, *, is_held_out: bool) -> Iterator[Clip]:
        """The clips that are, or are not, held out."""
        return (clip for clip in self.clips if clip.is_held_out == is_held_out)


def sound_hash(samples: NDArray[np.int16], clip: Clip | None = None) -> str:
    """By which a prepared recording is known again: equal when the same sound was prepared in the same way.

    Args:
        samples: Of the clip, or of all of them.
        clip: Which one, in the latter case.
    """
    own = samples if clip is None else samples[clip.start : clip.start + clip.samples]
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(own).data)


def write_corpus(folder: Path, corpus: Corpus) -> None:
    """Write `clips.json`, atomically; `audio.npy` has to be there before.

    Raises:
        StorageError: The disk refused.
    """
    files.write_bytes(folder / CLIPS, msgspec.json.format(msgspec.json.encode(corpus), indent=1) + b"\n")


def open_corpus(folder: Path) -> tuple[Corpus, NDArray[np.int16]]:
    """The clips of a voice, and the samples of all of them `[N]`, mapped from the disk.

    Raises:
        InputError: They are missing or damaged.
    """
    try:
        corpus = msgspec.json.decode((folder / CLIPS).read_bytes(), type=Corpus)
        samples = np.load(folder / AUDIO, mmap_mode="r", allow_pickle=False)
        complete = corpus.format == _FORMAT and samples.dtype == np.int16 and samples.ndim == 1
        complete = complete and all(0 <= clip.start <= len(samples) - clip.samples for clip in corpus.clips)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the prepared recordings in {folder} cannot be read: {error}",
            hint="prepare them again: synctalk run NAME --line voice --force prepare",
        ) from error
    if not complete or not corpus.clips:
        raise InputError(
            f"the prepared recordings in {folder} are not complete",
            hint="prepare them again: synctalk run NAME --line voice --force prepare",
        )
    return corpus, samples
