"""How long a sound is and how it was sampled, as its header says: an estimate, made without decoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import soundfile

from synctalk.errors import InputError
from synctalk.media.audio import PLAIN_SUFFIXES
from synctalk.media.container import is_decodable, open_media, require_file

_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class SoundFacts:
    """What a header says.

    Attributes:
        seconds: Length; 0 where the header does not know.
        rate_hz: Samples per second.
    """

    seconds: float
    rate_hz: int


def read_sound_facts(path: Path) -> SoundFacts:
    """What the header of any audio or video file says about its sound.

    Raises:
        InputError: The file is missing, unreadable or without sound.
    """
    require_file(path)
    if path.suffix.lower() not in PLAIN_SUFFIXES:
        return _read_container(path)
    try:
        facts = soundfile.info(str(path))
    except soundfile.SoundFileError:
        return _read_container(path)
    return SoundFacts(max(0.0, facts.duration), facts.samplerate)


def _read_container(path: Path) -> SoundFacts:
    with open_media(path) as container:
        for stream in container.streams.audio:
            if is_decodable(stream):
                return SoundFacts(max(0.0, (container.duration or 0) / _MICROSECONDS), stream.codec_context.sample_rate)
    raise InputError(f"{path} has no sound", hint="give a file with sound")
