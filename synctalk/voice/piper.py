"""The JSON beside a Piper voice, and the names that Home Assistant asks for.

`<voice>.onnx.json` is written by `export` and read by `onnx_voice`, by Piper's runtime, by Wyoming Piper and others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from synctalk.errors import InputError
from synctalk.voice.alphabet import BOS, EOS, PAD, SYMBOLS, Alphabet, plain
from synctalk.voice.spelling import Vocabulary
from synctalk.voice.voicemodel import VoiceFacts

Quality = Literal["x_low", "low", "medium", "high"]
QUALITIES: tuple[str, ...] = get_args(Quality)

_RUNTIME = "1.8.0"  # the one that exports are tested with
_LANGUAGE = re.compile(r"([a-z]{2,3})[_-]([A-Za-z]{2}|\d{3})")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_LAST_ALIAS = 0x3000  # beyond are scripts without capital letters
_WIDE_DECODER = 512


class Sound(msgspec.Struct, frozen=True):
    """Of the samples."""

    sample_rate: int
    quality: str = ""


class Espeak(msgspec.Struct, frozen=True):
    """A voice of espeak, asked for phonemes; has to be there, though a voice that reads letters never asks it."""

    voice: str = ""


class Inference(msgspec.Struct, frozen=True):
    """How the voice speaks unless told otherwise."""

    noise_scale: float = 0.667
    length_scale: float = 1.0
    noise_w: float = 0.8


class Language(msgspec.Struct, frozen=True):
    """What lists of voices show."""

    code: str = ""
    family: str = ""
    region: str = ""
    name_native: str = ""
    name_english: str = ""
    country_english: str = ""


class PiperFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON beside a voice holds; names and meaning are Piper's."""

    audio: Sound
    dataset: str = ""
    espeak: Espeak = Espeak()
    language: Language = Language()
    phoneme_type: str = "espeak"
    phoneme_id_map: dict[str, list[int]]
    phoneme_map: dict[str, list[str]] = {}
    num_symbols: int = SYMBOLS
    num_speakers: int = 1
    speaker_id_map: dict[str, int] = {}
    default_speaker_id: int = 0
    inference: Inference = Inference()
    hop_length: int = 256
    piper_version: str = _RUNTIME
    vowel_clusters: list[list[str]] | msgspec.UnsetType = msgspec.UNSET


def piper_facts(
    facts: VoiceFacts, *, name: str, quality: str, language_facts: Mapping[str, str], espeak_voice: str = ""
) -> PiperFacts:
    """What to write beside an exported voice.

    Args:
        facts: Of the voice.
        name: Full name of the voice, as `voice_name` gives it.
        quality: One of `QUALITIES`.
        language_facts: `name_native`, `name_english` and `country_english`, as far as known.
        espeak_voice: The voice of espeak for this language; guessed from its code when empty.

    Raises:
        InputError: Signs of its vocabulary cannot be told to Piper.
    """
    code = language_code(facts.language)
    family, region = code.split("_")
    config = facts.config
    return PiperFacts(
        audio=Sound(facts.rate_hz, quality),
        dataset=name,
        espeak=Espeak(facts.espeak or espeak_voice or f"{family}-{region}".lower()),
        language=Language(code, family, region, **{key: language_facts.get(key, "") for key in _NAMES}),
        phoneme_type="espeak" if facts.espeak else "text",
        phoneme_id_map=_id_map(facts),
        num_symbols=int(config.get("vocab_size", SYMBOLS)),
        num_speakers=len(facts.speakers),
        speaker_id_map={who: number for number, who in enumerate(facts.speakers)} if len(facts.speakers) > 1 else {},
        inference=Inference(
            noise_scale=float(config.get("noise_scale", Inference().noise_scale)),
            noise_w=float(config.get("noise_scale_duration", Inference().noise_w)),
        ),
        hop_length=facts.hop,
    )


_NAMES = ("name_native", "name_english", "country_english")


def _id_map(facts: VoiceFacts) -> dict[str, list[int]]:
    """The ids of each sign, and of what stands for other signs in a text: capitals, curly quotes, dashes, tabs."""
    if facts.vocabulary:
        return _vocabulary_map(Vocabulary(facts.vocabulary))
    if facts.espeak:
        return facts.phoneme_ids
    ids = Alphabet(facts.extra_signs).ids
    found = {sign: [number] for sign, number in ids.items()}
    marks = {PAD, BOS, EOS}
    for sign in map(chr, range(_LAST_ALIAS)):
        meant = " " if sign.isspace() else plain(sign)
        is_other = meant not in {"", sign} and sign not in marks and unicodedata.normalize("NFD", sign) == sign
        if is_other and ids.keys() - marks >= set(meant):
            # The runtime puts one pad after all of them; those between have to be told.
            found[sign] = [number for each in meant for number in (ids[PAD], ids[each])][1:]
    return found


def _vocabulary_map(vocabulary: Vocabulary) -> dict[str, list[int]]:
    """Without begin and end marks, and id 0 between the signs, the same ids come out as from the vocabulary."""
    lost = sorted(sign for sign in vocabulary.ids if unicodedata.normalize("NFD", sign) != sign and len(sign) == 1)
    if lost:
        raise InputError(
            f"Piper takes letters apart, and this voice knows {' '.join(lost)} only in one piece",
            hint="export it in another format: synctalk export NAME --format hf",
        )
    ids = {sign: [number] for sign, number in vocabulary.ids.items() if len(sign) == 1}
    capitals = {sign.upper(): number for sign, number in ids.items() if len(sign.upper()) == 1}
    return capitals | ids | {PAD: [0], BOS: [], EOS: []}


def language_code(language: str) -> str:
    """Language and region as in names of voices: `en_US` for `en-us` and `en_US`.

    Raises:
        InputError: There is no region, or it is no such code.
    """
    found = _LANGUAGE.fullmatch(language)
    if not found:
        raise InputError(
            f"{language!r} is not a language with its region",
            hint="for example en_US, de_DE or pt_BR: --set prepare.language=en_US when the voice is trained",
        )
    return f"{found[1]}_{found[2].upper()}"


def voice_name(language: str, name: str, quality: str) -> str:
    """The full name of a voice, `<lang>_<REGION>-<name>-<quality>`; Home Assistant finds no other.

    Raises:
        InputError: A part is not as Home Assistant wants it.
    """
    if quality not in QUALITIES:
        raise InputError(f"{quality!r} is not a quality", hint=f"use one of: {', '.join(QUALITIES)}")
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of a Piper voice: only letters a-z, digits and _ are understood",
            hint=f"for example --name {suggest_name(name) or 'anna'}",
        )
    return f"{language_code(language)}-{name}-{quality}"


def suggest_name(text: str) -> str:
    """What of a text can be the name of a voice; may be empty."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "_", ascii_only).strip("_").lower()


def guess_quality(facts: VoiceFacts) -> str:
    """The quality that Piper's lists would give this voice: by its rate and the width of its decoder."""
    if facts.rate_hz < 22_050:
        return "low"
    return "high" if facts.config.get("upsample_initial_channel", _WIDE_DECODER) >= _WIDE_DECODER else "medium"
