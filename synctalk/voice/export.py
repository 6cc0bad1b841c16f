"""Finished voices for other programs: Piper, transformers, or a single ONNX file.

Everything is first written into a hidden folder beside the result and spoken from there once. Only what speaks gets its
name; what was exported before stays until then.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec
import numpy as np

from synctalk import files
from synctalk.errors import InputError
from synctalk.log import get_logger
from synctalk.voice import hf_folder, hub
from synctalk.voice.export_onnx import export_onnx
from synctalk.voice.language import find_language
from synctalk.voice.onnx_voice import FACTS_KEY, open_onnx_voice
from synctalk.voice.piper import PiperFacts, guess_quality, piper_facts, suggest_name, voice_name
from synctalk.voice.provenance import provenance
from synctalk.voice.reader import Delivery
from synctalk.voice.soundness import check_speech
from synctalk.voice.speak import Voice
from synctalk.voice.trained import TrainedVoice
from synctalk.voice.voicemodel import load_vits
from synctalk.workspace import checked_name

Format = Literal["piper", "hf", "onnx"]
FORMATS: tuple[str, ...] = get_args(Format)
EARLIER = ".earlier"
"""Added to the name of an earlier export that is kept."""

_SEED = 0
_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class ExportOrder:
    """What is to be written.

    Attributes:
        format: One of `FORMATS`.
        name: Of the voice; made from the dataset's when empty.
        quality: One of Piper's; guessed from rate and size when empty.
        sample_text: Spoken once before the export is called done; nothing is spoken when empty.
        keeps_earlier: Whether an export of the same name is set aside rather than replaced.
    """

    format: Format
    name: str = ""
    quality: str = ""
    sample_text: str = ""
    keeps_earlier: bool = False


def export_voice(voice: TrainedVoice, folder: Path, order: ExportOrder) -> list[Path]:
    """Write a voice.

    Args:
        voice: To be exported.
        folder: Where the files, or the folder of the voice, go; made if missing.
        order: What to write.

    Returns:
        The paths written.

    Raises:
        InputError: A name or language that cannot be, or something else has that name.
        StageError: The voice is broken; nothing was written.
        StorageError: The disk refused.
    """
    name = _full_name(voice, order)
    files.make_folder(folder)
    files.sweep_leftovers(folder)
    _check_place(folder / name, order.format)
    draft = files.temporary_beside(folder / name)
    try:
        written = _write(voice, files.make_folder(draft), order, name)
        _speak_once(_reopen(written[-1], order.format), order.sample_text)
        return [_publish(path, folder / path.name, keeps_earlier=order.keeps_earlier) for path in written]
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _full_name(voice: TrainedVoice, order: ExportOrder) -> str:
    if order.format == "piper":
        name = order.name or suggest_name(voice.dataset)
        return voice_name(voice.facts.language, name, order.quality or guess_quality(voice.facts))
    return checked_name(order.name or voice.dataset)


def _write(voice: TrainedVoice, draft: Path, order: ExportOrder, name: str) -> list[Path]:
    """The files in the order in which they are to appear; the last one is the voice."""
    if order.format == "hf":
        folder = files.make_folder(draft / name)
        hf_folder.write_hf_folder(folder, voice.facts, voice.model, name=name)
        return [folder]
    facts = _piper_facts(voice, order, name)
    said = provenance(voice.dataset) | {"checkpoint": voice.source, FACTS_KEY: msgspec.json.encode(facts).decode()}
    beside, model = draft / f"{name}.onnx.json", draft / f"{name}.onnx"
    files.write_bytes(model, export_onnx(voice.model, metadata=said))
    if order.format == "onnx":
        return [model]
    files.write_json(beside, facts)
    return [beside, model]


def _piper_facts(voice: TrainedVoice, order: ExportOrder, name: str) -> PiperFacts:
    language = find_language(voice.facts.language)
    return piper_facts(
        voice.facts,
        name=name,
        quality=order.quality or guess_quality(voice.facts),
        language_facts=language.facts,
        espeak_voice=language.espeak,
    )


def _reopen(path: Path, form: Format) -> Voice:
    if form != "hf":
        return open_onnx_voice(path)
    facts, state, _ = hf_folder.read_hf_folder(path)
    return Voice.of_model(facts, load_vits(facts, state))


def _speak_once(voice: Voice, text: str) -> None:
    if not text:
        return
    samples = np.concatenate(list(voice.speak(text, Delivery(seed=_SEED))))
    check_speech(samples, rate_hz=voice.rate_hz, signs=len(text))
    _log.info("it speaks: %d signs in %.2f s", len(text), len(samples) / voice.rate_hz)


def _check_place(target: Path, form: Format) -> None:
    """Refuse to replace a folder that holds anything but a voice."""
    if form != "hf" or not target.exists():
        return
    if not target.is_dir() or (any(target.iterdir()) and not (target / hub.WEIGHTS).is_file()):
        raise InputError(f"{target} is there and is no voice", hint="choose another --out or --name")


def _publish(draft: Path, target: Path, *, keeps_earlier: bool) -> Path:
    aside = target.with_name(target.name + EARLIER) if keeps_earlier else files.temporary_beside(target)
    # A folder cannot be replaced by a folder in one step: for a moment there is none.
    if target.exists() and (keeps_earlier or target.is_dir()):
        if aside.is_dir():
            shutil.rmtree(aside)
        files.commit_file(target, aside)
    files.commit_file(draft, target)
    if aside.is_dir() and not keeps_earlier:
        shutil.rmtree(aside)
    return target
