"""A voice as a folder in the Hugging Face layout: written for other programs, read to go on training from.

`config.json`, `model.safetensors`, `vocab.json`, `tokenizer_config.json` and `special_tokens_map.json`. `VitsModel` and
`VitsTokenizer` open what is written here. The tokenizer knows no begin and no end, so they are given with the text:
`tokenizer("^" + text + "$")`, the text as `synctalk.voice.alphabet.plain` gives it, yields the very ids of `Alphabet`.

Of a voice that reads phonemes the tokenizer gets phonemes, as Piper writes them, in place of the text: its own switch
`phonemize` stands for another program with other phonemes, and is off. What has to be known beyond that, transformers
carries along unread in `tokenizer_config.json`, under `phonemes` (a `_Read`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import VitsModel

from synctalk import files
from synctalk.errors import InputError
from synctalk.voice.alphabet import BOS, EOS, PAD, Alphabet
from synctalk.voice.hub import CONFIG, TOKENIZER, VOCABULARY, WEIGHTS
from synctalk.voice.provenance import STATEMENT
from synctalk.voice.voicemodel import VoiceFacts, fold_decoder, plain_state

SPECIAL = "special_tokens_map.json"

_DISCRIMINATOR = "discriminator."
_OLDER_NAMES = {".weight_g": ".parametrizations.weight.original0", ".weight_v": ".parametrizations.weight.original1"}
_UNNAMED = re.compile(r"LABEL_\d+")
_MODEL_CARD = """# {name}

{statement} A VITS voice for `{language}` at {rate_hz} Hz, trained with synctalk.

```python
from transformers import VitsModel, VitsTokenizer

model, tokenizer = VitsModel.from_pretrained("."), VitsTokenizer.from_pretrained(".")
{call}
```
"""
_MARKED_CALL = """# Small letters, decomposed (NFD), plain quotes and dashes, between begin and end marks:
waveform = model(**tokenizer("^" + "hello there." + "$", return_tensors="pt")).waveform"""
_PHONEMES_CALL = """# Phonemes of espeak-ng ({espeak}), decomposed (NFD), between begin and end marks:
waveform = model(**tokenizer("^" + "həlˈoʊ." + "$", return_tensors="pt")).waveform"""
_PLAIN_CALL = 'waveform = model(**tokenizer("hello there", return_tensors="pt")).waveform'


_READ = "phonemes"


class _Read(msgspec.Struct, frozen=True):
    """Of a voice that reads phonemes, in its `tokenizer_config.json`: as the same attributes of `VoiceFacts`."""

    espeak: str
    learned: tuple[str, ...]
    extra_signs: tuple[str, ...] = ()


def write_hf_folder(folder: Path, facts: VoiceFacts, model: VitsModel, *, name: str) -> None:
    """Write a voice into an existing folder, file by file; `config.json` comes last.

    Raises:
        StorageError: The disk refused.
    """
    state = {key: value.contiguous() for key, value in plain_state(model).items()}
    special = {} if facts.vocabulary else {"pad_token": PAD, "bos_token": BOS, "eos_token": EOS, "unk_token": PAD}
    read = {_READ: _Read(facts.espeak, facts.phonemes, facts.extra_signs)} if facts.espeak else {}
    tokenizer = {
        "tokenizer_class": "VitsTokenizer",
        "add_blank": True,
        "normalize": True,
        "phonemize": False,
        "is_uroman": False,
        "language": facts.language,
        **special,
        **read,
    }
    card = _MODEL_CARD.format(
        name=name,
        statement=STATEMENT,
        language=facts.language,
        rate_hz=facts.rate_hz,
        call=_call_of(facts),
    )
    config = {**model.config.to_dict(), "architectures": ["VitsModel"], "sampling_rate": facts.rate_hz}
    if len(facts.speakers) > 1:
        config["id2label"] = {str(number): who for number, who in enumerate(facts.speakers)}
        config["label2id"] = {who: number for number, who in enumerate(facts.speakers)}
    files.write_bytes(folder / WEIGHTS, safetensors.torch.save(state, metadata={"format": "pt"}))
    files.write_json(folder / VOCABULARY, _vocabulary_of(facts))
    files.write_json(folder / TOKENIZER, tokenizer)
    files.write_json(folder / SPECIAL, special)
    files.write_bytes(folder / "README.md", card.encode())
    files.write_json(folder / CONFIG, config)


def _call_of(facts: VoiceFacts) -> str:
    if facts.espeak:
        return _PHONEMES_CALL.format(espeak=facts.espeak)
    return _PLAIN_CALL if facts.vocabulary else _MARKED_CALL


def _vocabulary_of(facts: VoiceFacts) -> dict[str, int]:
    """The id of each sign that the voice has learned."""
    if facts.espeak:
        return {sign: number for sign, (number,) in facts.phoneme_ids.items()}
    return facts.vocabulary or dict(Alphabet(facts.extra_signs).ids)


def read_hf_folder(folder: Path) -> tuple[VoiceFacts, dict[str, Tensor], dict[str, int]]:
    """A voice from any folder in this layout, for example a published MMS voice.

    Returns:
        Its facts, its weights as `load_vits` takes them, and its vocabulary.

    Raises:
        InputError: A file is missing or damaged, or the voice wants its text changed in a way that is not known here.
    """
    with _naming_damage(folder):
        config = msgspec.json.decode((folder / CONFIG).read_bytes(), type=dict[str, Any])
        vocabulary = msgspec.json.decode((folder / VOCABULARY).read_bytes(), type=dict[str, int])
        tokenizer = msgspec.json.decode((folder / TOKENIZER).read_bytes(), type=dict[str, Any])
        state = safetensors.torch.load_file(folder / WEIGHTS)
        read = msgspec.convert(tokenizer[_READ], _Read) if _READ in tokenizer else None
    _check_text(folder, tokenizer)
    if config.get("model_type") != "vits":
        raise InputError(f"{folder} holds a {config.get('model_type')} model, not a VITS voice", hint="give another")
    facts = _facts(config, tokenizer, vocabulary)
    return _reading(folder, facts, read, vocabulary) if read else facts, _renamed(state), vocabulary


def _reading(folder: Path, facts: VoiceFacts, read: _Read, vocabulary: Mapping[str, int]) -> VoiceFacts:
    """The facts of a voice that reads phonemes."""
    told = msgspec.structs.replace(
        facts, vocabulary={}, espeak=read.espeak, phonemes=read.learned, extra_signs=read.extra_signs
    )
    if _vocabulary_of(told) != vocabulary:
        raise InputError(
            f"the voice in {folder} cannot be read: its {VOCABULARY} has other phonemes than its {TOKENIZER}",
            hint="download or export it again",
        )
    return told


def _facts(config: dict[str, Any], tokenizer: Mapping[str, Any], vocabulary: dict[str, int]) -> VoiceFacts:
    hop = 1
    for rate in config.get("upsample_rates", (8, 8, 2, 2)):
        hop *= rate
    extra = _extra_signs(vocabulary)
    return VoiceFacts(
        rate_hz=int(config.get("sampling_rate", 16_000)),
        hop=hop,
        language=str(tokenizer.get("language") or ""),
        extra_signs=extra or (),
        speakers=_speakers(config),
        config=config,
        vocabulary=vocabulary if extra is None else {},
    )


def _extra_signs(vocabulary: Mapping[str, int]) -> tuple[str, ...] | None:
    """The signs above Piper's map when the vocabulary is that of an `Alphabet`; None when it is another."""
    known = Alphabet().ids
    extra = tuple(sorted(vocabulary.keys() - known.keys(), key=lambda sign: vocabulary[sign]))
    try:
        return extra if Alphabet(extra).ids == vocabulary else None
    except InputError:
        return None


def _speakers(config: Mapping[str, Any]) -> tuple[str, ...]:
    count = int(config.get("num_speakers", 1))
    named = config.get("id2label") or {}
    names = [str(named.get(str(number), number)) for number in range(count)]
    return tuple(str(number) if _UNNAMED.fullmatch(who) else who for number, who in enumerate(names))


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With torch's present names of normed weights, without a discriminator, the decoder without weight norm."""
    found = {}
    for key, value in state.items():
        present = key
        for older, newer in _OLDER_NAMES.items():
            present = present.removesuffix(older) + newer if present.endswith(older) else present
        if not key.startswith(_DISCRIMINATOR):
            found[present] = value.to(torch.float32)
    return fold_decoder(found)


def _check_text(folder: Path, tokenizer: Mapping[str, Any]) -> None:
    refused = {"phonemize": "phonemes of espeak", "is_uroman": "uroman's Latin letters"}
    for key, meaning in refused.items():
        if tokenizer.get(key, key == "phonemize"):
            raise InputError(
                f"the voice in {folder} reads {meaning}, not letters", hint="start from a voice that reads letters"
            )
    if not tokenizer.get("add_blank", True):
        raise InputError(f"the voice in {folder} was trained without blanks", hint="start from another voice")


@contextlib.contextmanager
def _naming_damage(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else WEIGHTS
        raise InputError(
            f"{folder} is no voice in the Hugging Face layout: {missing} is missing",
            hint=f"it needs {CONFIG}, {WEIGHTS}, {VOCABULARY} and {TOKENIZER}; pickled weights are not read",
        ) from error
    except (OSError, msgspec.DecodeError, SafetensorError) as error:
        raise InputError(
            f"the voice in {folder} cannot be read: {error}", hint="download or export it again"
        ) from error
