"""What a voice learns corrections from: the corrections, and clips it was trained on, so that it keeps what it knew.

Mixing in a share of the earlier data is called rehearsal (Robins, Catastrophic forgetting, rehearsal and
pseudorehearsal, 1995).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from synctalk.errors import InputError
from synctalk.training.recipe import Batch
from synctalk.voice.alphabet import plain
from synctalk.voice.corpus import Clip, Corpus, sound_hash
from synctalk.voice.vits_data import VitsClips, batch_of


class ReplayedClips:
    """The corrections, each once an epoch, and places for replayed clips, filled anew in every epoch.

    Args:
        corrections: Each comes once.
        original: What the voice was trained on; may be empty.
        replay: Share of the places of an epoch that are filled from it, below 1.
    """

    def __init__(self, corrections: VitsClips, original: VitsClips, *, replay: float) -> None:
        self._corrections, self._original = corrections, original
        places = math.ceil(len(corrections) * replay / (1 - replay))
        self.replayed = places if len(original) else 0

    def __len__(self) -> int:
        return len(self._corrections) + self.replayed

    def load(self, indices: Sequence[int], seeds: Sequence[int]) -> Batch:
        """Clips with their texts, as `batch_of`; which clip fills a place is a function of that place's seed alone."""
        samples = []
        for index, seed in zip(indices, seeds, strict=True):
            if index < len(self._corrections):
                samples.append(self._corrections.sample(index))
            else:
                samples.append(self._original.sample(seed % len(self._original)))
        return batch_of(samples)


def without_corrected(
    corpus: Corpus, samples: NDArray[np.int16], corrections: Corpus, corrected: NDArray[np.int16]
) -> Corpus:
    """What the voice was trained on, less what the corrections replace, and the held-out clips that stay unheard.

    A clip that is the very sound of a correction has the text that was corrected. A held-out text that a correction
    says is no measure any more.

    Args:
        corpus: What the voice was trained on.
        samples: Of all its clips `[N]`.
        corrections: What is learned now.
        corrected: Of all their clips `[M]`.

    Raises:
        InputError: Nothing is left to measure the voice by.
    """
    texts = {plain(clip.text) for clip in corrections.clips}
    sounds = {sound_hash(corrected, clip) for clip in corrections.clips}
    lengths = {clip.samples for clip in corrections.clips}

    def stays(clip: Clip) -> bool:
        if clip.is_held_out:
            return plain(clip.text) not in texts
        return clip.samples not in lengths or sound_hash(samples, clip) not in sounds

    kept = tuple(filter(stays, corpus.clips))
    if not any(clip.is_held_out for clip in kept):
        raise InputError(
            "no held-out text is left to compare the voice by before and after",
            hint="prepare and train with more held out: --set prepare.held_out=0.1; or correct other sentences",
        )
    return msgspec.structs.replace(corpus, clips=kept)
