"""The sounds of the drawn presenter's speech: how each is made in the throat and what the lips do meanwhile.

A phoneme is one or two segments in a row (a stop is a closure and a release, a diphthong two vowels). Formants are
rounded textbook values of adult speech; openings and widths are made up, but in such a way that each follows from
what can be heard (open vowels have a high first formant, rounded ones a low second).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One steady piece of sound.

    Attributes:
        duration_s: At a normal speed.
        formants: The first three resonances in Hz.
        voice: Strength of the vocal folds, 0..1.
        breath: Strength of noise through the formants, 0..1.
        hiss: Strength of noise made at the teeth or lips, 0..1.
        hiss_hz: Centre of that noise.
        hiss_width_hz: Its bandwidth.
        damping: How much duller than a vowel: a factor on the bandwidths.
        opening: Of the mouth, 0..1.
        width: Of the mouth, 0 rounded, 1 spread.
        is_shut: The lips touch, whatever comes before and after.
    """

    duration_s: float
    formants: tuple[float, float, float]
    voice: float = 0.0
    breath: float = 0.0
    hiss: float = 0.0
    hiss_hz: float = 4000.0
    hiss_width_hz: float = 1500.0
    damping: float = 1.0
    opening: float = 0.0
    width: float = 0.5
    is_shut: bool = False


@dataclass(frozen=True)
class Phoneme:
    """One sound of the language, with its segments in order."""

    name: str
    segments: tuple[Segment, ...]
    is_vowel: bool = False


_REST = (500.0, 1500.0, 2500.0)
_LABIAL = (280.0, 900.0, 2300.0)
_DENTAL = (300.0, 1750.0, 2650.0)
_VELAR = (300.0, 2000.0, 2350.0)


def pause(duration_s: float) -> Segment:
    """Silence with the mouth at rest."""
    return Segment(duration_s=duration_s, formants=_REST)


def _vowel(formants: tuple[float, float, float], opening: float, width: float, duration_s: float = 0.13) -> Segment:
    return Segment(duration_s=duration_s, formants=formants, voice=1.0, breath=0.02, opening=opening, width=width)


_VOWEL_PARTS = {
    "IY": _vowel((280, 2290, 3010), 0.22, 0.95),
    "IH": _vowel((390, 1990, 2550), 0.34, 0.80, 0.10),
    "EH": _vowel((540, 1840, 2480), 0.54, 0.74, 0.12),
    "AE": _vowel((670, 1720, 2410), 0.78, 0.82, 0.15),
    "AA": _vowel((760, 1090, 2440), 1.00, 0.55, 0.15),
    "AO": _vowel((580, 840, 2410), 0.68, 0.18, 0.15),
    "AH": _vowel((630, 1220, 2390), 0.60, 0.52, 0.10),
    "UH": _vowel((440, 1020, 2240), 0.36, 0.22, 0.10),
    "UW": _vowel((300, 870, 2240), 0.18, 0.00, 0.14),
    "ER": _vowel((480, 1350, 1690), 0.38, 0.34, 0.13),
}
_DIPHTHONGS = {"AY": ("AA", "IY"), "AW": ("AA", "UW"), "EY": ("EH", "IY"), "OW": ("AO", "UW"), "OY": ("AO", "IY")}


def _stop(
    place: tuple[float, float, float], burst_hz: float, opening: float, *, is_voiced: bool, is_shut: bool = False
) -> tuple[Segment, ...]:
    """Closure, then a burst, and breath after it when voiceless."""
    closure = Segment(
        duration_s=0.085,
        formants=(200.0, place[1], place[2]),
        voice=0.16 if is_voiced else 0.0,
        damping=4.0,
        opening=0.0 if is_shut else opening,
        is_shut=is_shut,
    )
    release = Segment(
        duration_s=0.022 if is_voiced else 0.045,
        formants=place,
        voice=0.3 if is_voiced else 0.0,
        breath=0.05 if is_voiced else 0.35,
        hiss=0.4 if is_voiced else 0.55,
        hiss_hz=burst_hz,
        hiss_width_hz=1400.0,
        opening=max(opening, 0.12),
    )
    return closure, release


def _hiss(hz: float, strength: float, opening: float, width: float, *, is_voiced: bool) -> tuple[Segment, ...]:
    """A fricative."""
    return (
        Segment(
            duration_s=0.075 if is_voiced else 0.105,
            formants=(300.0, 1500.0, 2500.0),
            voice=0.35 if is_voiced else 0.0,
            hiss=strength * (0.6 if is_voiced else 1.0),
            hiss_hz=hz,
            hiss_width_hz=0.22 * hz + 500,
            damping=2.0,
            opening=opening,
            width=width,
        ),
    )


def _nasal(place: tuple[float, float, float], opening: float, *, is_shut: bool = False) -> tuple[Segment, ...]:
    murmur = (260.0, place[1], place[2])
    return (Segment(duration_s=0.09, formants=murmur, voice=0.5, damping=2.5, opening=opening, is_shut=is_shut),)


def _glide(formants: tuple[float, float, float], opening: float, width: float) -> tuple[Segment, ...]:
    return (Segment(duration_s=0.075, formants=formants, voice=0.7, opening=opening, width=width),)


_CONSONANTS = {
    "P": _stop(_LABIAL, 900, 0.0, is_voiced=False, is_shut=True),
    "B": _stop(_LABIAL, 700, 0.0, is_voiced=True, is_shut=True),
    "T": _stop(_DENTAL, 4200, 0.16, is_voiced=False),
    "D": _stop(_DENTAL, 3800, 0.16, is_voiced=True),
    "K": _stop(_VELAR, 2100, 0.28, is_voiced=False),
    "G": _stop(_VELAR, 1900, 0.28, is_voiced=True),
    "M": _nasal(_LABIAL, 0.0, is_shut=True),
    "N": _nasal(_DENTAL, 0.18),
    "NG": _nasal(_VELAR, 0.30),
    "F": _hiss(6800, 0.16, 0.06, 0.60, is_voiced=False),
    "V": _hiss(6400, 0.12, 0.06, 0.60, is_voiced=True),
    "TH": _hiss(5600, 0.16, 0.20, 0.62, is_voiced=False),
    "DH": _hiss(5200, 0.10, 0.20, 0.62, is_voiced=True),
    "S": _hiss(5400, 0.60, 0.10, 0.85, is_voiced=False),
    "Z": _hiss(5000, 0.50, 0.10, 0.85, is_voiced=True),
    "SH": _hiss(2900, 0.60, 0.16, 0.12, is_voiced=False),
    "ZH": _hiss(2700, 0.50, 0.16, 0.12, is_voiced=True),
    "L": _glide((340.0, 1150.0, 2700.0), 0.30, 0.55),
    "R": _glide((330.0, 1150.0, 1550.0), 0.24, 0.20),
    "W": _glide((290.0, 640.0, 2200.0), 0.10, 0.00),
    "Y": _glide((270.0, 2250.0, 3000.0), 0.18, 0.92),
    "HH": (Segment(duration_s=0.07, formants=(550.0, 1500.0, 2500.0), breath=0.45, opening=0.40, width=0.5),),
}
_AFFRICATES = {"CH": ("T", "SH"), "JH": ("D", "ZH")}


def _table() -> dict[str, Phoneme]:
    table = {name: Phoneme(name, (part,), is_vowel=True) for name, part in _VOWEL_PARTS.items()}
    for name, (first, second) in _DIPHTHONGS.items():
        table[name] = Phoneme(name, (_VOWEL_PARTS[first], _VOWEL_PARTS[second]), is_vowel=True)
    table |= {name: Phoneme(name, segments) for name, segments in _CONSONANTS.items()}
    for name, (stop, hiss) in _AFFRICATES.items():
        table[name] = Phoneme(name, (_CONSONANTS[stop][0], *_CONSONANTS[hiss]))
    return table


PHONEMES: dict[str, Phoneme] = _table()
"""Every phoneme by name."""
VOWELS: tuple[str, ...] = tuple(name for name, phoneme in PHONEMES.items() if phoneme.is_vowel)
CONSONANTS: tuple[str, ...] = tuple(name for name, phoneme in PHONEMES.items() if not phoneme.is_vowel)
