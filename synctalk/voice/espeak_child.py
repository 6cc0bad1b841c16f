"""From letters to phonemes with espeak-ng: a program of its own, never imported by any other part.

espeak-ng is under the GPL. It is loaded here, in a process that ends with its answer, and nothing of it comes into the
process that asks (`synctalk.voice.espeak`). Reads one JSON object from standard input, writes one to standard output:

    {"voice": "en-us", "texts": ["Well, hello."]}   ->   {"clauses": [[["wˈɛl", 7], ["həlˈoʊ", 12]]]}

For each text its clauses: their phonemes, and how many of the text's characters espeak had read by then (which is one
more than the clause has, where espeak had to look ahead). Instead of `clauses` there is `problem`: `missing` without
the library espeakng-loader, `broken` when espeak does not start, `voice` when it has no such voice.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

# Of espeak-ng's speak_lib.h.
_RETRIEVAL, _DONT_EXIT = 1, 0x8000
_UTF8, _IPA = 1, 0x02
_OK = 0


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """What is written for what was read."""
    try:
        import espeakng_loader  # noqa: PLC0415 - an extra; without it there is another answer
    except ImportError:
        return {"problem": "missing"}
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
    data = espeakng_loader.get_data_path().encode()
    if library.espeak_Initialize(_RETRIEVAL, 0, data, _DONT_EXIT) <= 0:
        return {"problem": "broken"}
    if library.espeak_SetVoiceByName(question["voice"].encode()) != _OK:
        return {"problem": "voice"}
    return {"clauses": [read_clauses(library, text) for text in question["texts"]]}


def read_clauses(library: ctypes.CDLL, text: str) -> list[tuple[str, int]]:
    """The phonemes of each clause of a text, and the number of characters read until then."""
    encoded = text.encode()
    buffer = ctypes.create_string_buffer(encoded)
    start = ctypes.addressof(buffer)
    place = ctypes.c_void_p(start)
    clauses = []
    is_read = False
    while not is_read:
        phonemes = library.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, _IPA)
        is_read = place.value is None
        read = (place.value or start + len(encoded)) - start
        clauses.append((phonemes.decode(), len(encoded[:read].decode(errors="ignore"))))
    return clauses


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(json.load(sys.stdin))))
