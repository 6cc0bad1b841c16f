"""What can be told about rows together: signs that no voice speaks, texts that do not fit their sound, who is held out.

Pure functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import xxhash

from synctalk.errors import InputError
from synctalk.voice.alphabet import BOS, EOS, PAD, Alphabet, plain
from synctalk.voice.listing import Reason, RowError

_LEAST_TEXTS, _LEAST_SHARE = 2, 0.01  # in fewer texts a letter is a stray one, where there are too many
_BREATH_CHARACTERS = 5  # a short word takes longer than its letters say
_LEAST_CLIPS = 10  # below this there is no usual pace
_LEAST_FACTOR = 2.5  # the same person reads twice as fast at times, but hardly more
_SPREADS = 6.0
_TO_DEVIATION = 1.4826  # from the median distance to the standard deviation of a normal distribution
_SLOWEST_S, _FASTEST_S = 1.0, 0.025  # per character, in any language
_HASHES = 1 << 64


def check_signs(texts: Sequence[str]) -> list[RowError | None]:
    """For each text, what keeps it from being spoken; letters of any script can be learned.

    Where the texts use more letters than a voice can have, those that hardly occur are not learned.

    Raises:
        InputError: That is not enough.
    """
    signs = [set(plain(text)) for text in texts]
    known = set(_alphabet(signs).ids) - {PAD, BOS, EOS}
    return [_unspeakable(text, used - known) for text, used in zip(texts, signs, strict=True)]


def _alphabet(signs: Sequence[set[str]]) -> Alphabet:
    counts = Counter(sign for used in signs for sign in used)
    try:
        return Alphabet.of_texts(counts)
    except InputError:
        least = max(_LEAST_TEXTS, _LEAST_SHARE * len(signs))
        return Alphabet.of_texts(sign for sign, count in counts.items() if count >= least)


def _unspeakable(text: str, unknown: set[str]) -> RowError | None:
    if not any(sign.isalnum() for sign in text):
        return RowError(Reason.NO_TEXT, "it has no letters")
    if unknown:
        signs = " ".join(sign if sign.isprintable() else f"U+{ord(sign):04X}" for sign in sorted(unknown))
        return RowError(Reason.SIGNS, f"{signs} (write it as it is spoken)")
    return None


def pace(text: str, speech_s: float) -> float:
    """Seconds per character, with an allowance that makes short texts comparable with long ones."""
    return speech_s / (len(plain(text)) + _BREATH_CHARACTERS)


def check_paces(paces: Sequence[float]) -> list[RowError | None]:
    """For each clip, whether far too much or too little is said in its time, compared with all others."""
    low, high = _FASTEST_S, _SLOWEST_S
    if len(paces) >= _LEAST_CLIPS:
        logs = np.log(paces)
        usual = float(np.median(logs))
        spread = _TO_DEVIATION * float(np.median(np.abs(logs - usual)))
        reach = max(float(np.log(_LEAST_FACTOR)), _SPREADS * spread)
        low, high = max(low, float(np.exp(usual - reach))), min(high, float(np.exp(usual + reach)))
    return [_out_of_pace(each, low, high) for each in paces]


def _out_of_pace(each: float, low: float, high: float) -> RowError | None:
    if low <= each <= high:
        return None
    much = "much" if each < low else "little"
    return RowError(Reason.PACE, f"too {much} text: {each:.3f} s per character, {low:.3f} to {high:.3f} are usual here")


def key_of(sound_key: str, text: str) -> str:
    """What makes a clip itself: its sound and its text, not its name or its place in a listing."""
    return xxhash.xxh3_64(f"{sound_key}\n{text}".encode()).hexdigest()


def hold_out(keys: Iterable[str], share: float) -> list[bool]:
    """For each clip, whether it is held out: decided by its key alone, so that further clips change nothing.

    Only where chance would hold out none, or all, of at least two clips, the one with the lowest, or highest, key
    decides.

    Example:
        >>> hold_out(["0" * 16, "f" * 16], share=0.1)
        [True, False]
    """
    numbers = [int(key, 16) for key in keys]
    is_held_out = [number < share * _HASHES for number in numbers]
    if share and len(numbers) > 1:
        is_held_out[numbers.index(min(numbers))] = True
        is_held_out[numbers.index(max(numbers))] = False
    return is_held_out
