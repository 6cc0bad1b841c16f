"""Understanding English speech without a network, when pocketsphinx is installed: `pip install synctalk[asr]`.

Its acoustic model, words and word pairs are inside its wheel. It is an old and modest listener: what it gets wrong in
the recordings themselves says how far its judgement goes.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from importlib import metadata

import numpy as np
import soxr

from synctalk.errors import InputError
from synctalk.media.audio import Samples
from synctalk.voice.soundcheck import to_int16
from synctalk.voice.soundness import SILENCE_RMS

_LIBRARY = "pocketsphinx"
_RATE_HZ = 16_000
_MARGIN_S = 0.2  # it misses first words that begin at once

Recogniser = Callable[[Samples], str]
"""Samples -> the words that were heard, in small letters."""


def why_not_recognised(language: str) -> str:
    """Why speech in a language cannot be understood here; empty when it can."""
    if language.partition("_")[0].lower() != "en":
        return f"{_LIBRARY} understands English only, not {language or 'an unnamed language'}"
    if importlib.util.find_spec(_LIBRARY) is None:
        return f"{_LIBRARY} is not installed: pip install {_LIBRARY}"
    return ""


def recogniser_name() -> str:
    """Name and version, for reports."""
    return f"{_LIBRARY} {metadata.version(_LIBRARY)}"


def open_recogniser(*, rate_hz: int) -> Recogniser:
    """A listener; it loads for a moment, and knows nothing of earlier sentences.

    Args:
        rate_hz: Of the samples that it will be given.

    Raises:
        InputError: pocketsphinx or its model cannot be loaded.
    """
    try:
        decoder = importlib.import_module(_LIBRARY).Decoder(samprate=_RATE_HZ, loglevel="FATAL")
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"{_LIBRARY} cannot be loaded: {error}", hint=f"pip install --force-reinstall {_LIBRARY}"
        ) from error
    margin = np.zeros(round(_MARGIN_S * _RATE_HZ), np.float32)

    def recognise(samples: Samples) -> str:
        if float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) < SILENCE_RMS:
            return ""  # it hears words even where every sample is zero
        sound = np.concatenate([margin, soxr.resample(samples, rate_hz, _RATE_HZ), margin])
        decoder.reinit_feat()  # forgets the loudness of what it heard before
        decoder.start_utt()
        decoder.process_raw(to_int16(sound).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        return found.hypstr if found else ""

    return recognise
