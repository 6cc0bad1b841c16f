"""Speaking with an exported voice: a Piper `.onnx` file, with its JSON beside it or inside.

Voices that read letters (`phoneme_type` `text`) or phonemes of espeak (`espeak`) can be opened; for the latter espeak
has to be installed, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime

from synctalk.errors import InputError, StageError
from synctalk.media.audio import Samples
from synctalk.voice.phonemes import Phonemes
from synctalk.voice.piper import PiperFacts
from synctalk.voice.speak import Manner, Utterance, Voice
from synctalk.voice.spelling import IdMap, Spelling

FACTS_KEY = "piper_facts"
"""Under which the JSON stands inside an ONNX file."""

_QUIET = 3  # errors only


class OnnxNetwork:
    """An exported network.

    Args:
        content: Of the `.onnx` file.
        session: The runtime on it.
        has_speakers: Whether it asks who speaks.
    """

    def __init__(self, content: bytes, session: onnxruntime.InferenceSession, *, has_speakers: bool) -> None:
        self._content, self._session = content, session
        self._has_speakers = has_speakers

    def start(self, seed: int | None) -> Utterance:
        """See `Network`."""
        session = self._session
        if seed is not None:
            # A session takes its seed when it is made: seconds for a voice of full size.
            onnxruntime.set_seed(seed)
            session = open_session(self._content)

        def utter(ids: Sequence[int], speaker: int, manner: Manner) -> Samples:
            fed: dict[str, Any] = {
                "input": np.array([ids], np.int64),
                "input_lengths": np.array([len(ids)], np.int64),
                "scales": np.array([manner.noise, 1 / manner.speed, manner.duration_noise], np.float32),
            }
            if self._has_speakers:
                fed["sid"] = np.array([speaker], np.int64)
            try:
                samples: Samples = np.asarray(session.run(["output"], fed)[0], np.float32).reshape(-1)  # [T]
            except Exception as error:  # the runtime has no common class of its own
                raise StageError(f"the exported voice failed: {error}", hint="export it again") from error
            return samples

        return utter


def open_session(content: bytes) -> onnxruntime.InferenceSession:
    """The runtime on an ONNX file, on the processor.

    Raises:
        Exception: Whatever the runtime says; its callers know what the file is.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def open_onnx_voice(path: Path) -> Voice:
    """The voice in a file.

    Raises:
        InputError: It is missing, no voice, or needs phonemes of something else than espeak.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="give an .onnx voice") from error
    try:
        session = open_session(content)
    except Exception as error:  # the runtime has no common class of its own
        raise InputError(f"{path} is not an ONNX file: {error}", hint="export the voice again") from error
    facts = read_piper_facts(path, session.get_modelmeta().custom_metadata_map.get(FACTS_KEY, ""))
    inputs = {each.name for each in session.get_inputs()}
    if not {"input", "input_lengths", "scales"} <= inputs or session.get_outputs()[0].name != "output":
        raise InputError(f"{path} is not a Piper voice: its inputs are {', '.join(sorted(inputs))}", hint="")
    own = facts.inference
    return Voice(
        OnnxNetwork(content, session, has_speakers="sid" in inputs),
        spelling=_spelling(facts),
        rate_hz=facts.audio.sample_rate,
        speakers=_speakers(facts),
        manner=Manner(speed=1 / own.length_scale, noise=own.noise_scale, duration_noise=own.noise_w),
    )


def read_piper_facts(path: Path, inside: str = "") -> PiperFacts:
    """The facts beside an ONNX file, or those inside it when there are none beside.

    Raises:
        InputError: There are none, they are damaged, or the voice reads neither letters nor phonemes of espeak.
    """
    beside = path.with_name(path.name + ".json")
    try:
        content = beside.read_bytes() if beside.is_file() else inside.encode()
        facts = msgspec.json.decode(content, type=PiperFacts)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(
            f"{beside} is missing or damaged: {error}", hint="keep the two files of a Piper voice together"
        ) from error
    if facts.phoneme_type not in {"text", "espeak"}:
        raise InputError(f"{path.name} reads {facts.phoneme_type}, not letters", hint="speak with it through piper-tts")
    if facts.phoneme_type == "espeak" and not facts.espeak.voice:
        raise InputError(f"{beside} names no voice of espeak", hint="keep the two files of a Piper voice together")
    if facts.vowel_clusters:
        raise InputError(f"{path.name} joins vowels, which is not known here", hint="speak with it through piper-tts")
    if facts.inference.length_scale <= 0 or facts.audio.sample_rate <= 0:
        raise InputError(f"{beside} holds a rate or length scale that is not positive", hint="export the voice again")
    return facts


def _spelling(facts: PiperFacts) -> Spelling:
    ids = IdMap(facts.phoneme_id_map)
    return Phonemes(ids, facts.espeak.voice) if facts.phoneme_type == "espeak" else ids


def _speakers(facts: PiperFacts) -> list[str]:
    names = {number: who for who, number in facts.speaker_id_map.items()}
    return [names.get(number, str(number)) for number in range(max(1, facts.num_speakers))]
