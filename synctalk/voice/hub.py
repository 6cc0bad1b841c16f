"""A published voice by its name on the Hugging Face hub, for example `facebook/mms-tts-eng`.

It is looked for in the cache that all programs of this user share, without a network; only `fetch_voice` downloads.
A folder that exists is never taken for a name. Pickled weights are neither asked for nor looked at.
"""

from __future__ import annotations

import re
from pathlib import Path

from synctalk.errors import InputError, MissingPartError
from synctalk.files import translating_os_errors
from synctalk.log import get_logger

CONFIG, WEIGHTS, VOCABULARY, TOKENIZER = "config.json", "model.safetensors", "vocab.json", "tokenizer_config.json"
"""What a voice in the Hugging Face layout cannot do without."""

DISCRIMINATOR = "discriminator.safetensors"
"""Beside the weights of a voice: what it learned against, with the names of `Discriminator`; may be missing."""

_NEEDED = (CONFIG, WEIGHTS, VOCABULARY, TOKENIZER)
_NAME = re.compile(r"[a-zA-Z0-9_][\w.-]*/[a-zA-Z0-9_][\w.-]*", re.ASCII)
_log = get_logger(__name__)


def is_hub_name(text: str) -> bool:
    """Whether a text names a voice on the hub: `owner/name`, and nothing on this machine lies at such a path."""
    return bool(_NAME.fullmatch(text)) and not Path(text).exists()


def cached_files(name: str) -> dict[str, Path]:
    """The files of a voice in the cache, by their names; empty when one that it needs is not there. Reads only.

    Raises:
        MissingPartError: What reads the cache is not installed.
    """
    found = {file: path for file in (*_NEEDED, DISCRIMINATOR) if (path := _cached(name, file))}
    return found if all(file in found for file in _NEEDED) else {}


def voice_folder(text: str) -> Path:
    """Where the voice that a setting names is on this machine.

    Args:
        text: A folder, or a name on the hub.

    Raises:
        InputError: It names a voice on the hub that was not fetched.
    """
    if not is_hub_name(text):
        return Path(text)
    files = cached_files(text)
    if not files:
        raise InputError(f"{text} is not on this machine", hint=_elsewhere(text))
    return files[CONFIG].parent


def revision_file(name: str) -> Path | None:
    """The file of the cache that says which revision of a voice counts; None when the voice is not there."""
    files = cached_files(name)
    return files[CONFIG].parents[2] / "refs" / "main" if files else None


def fetch_voice(name: str) -> None:
    """Download what a voice consists of into the cache, all of one revision; whole files are not fetched again.

    Raises:
        InputError: It cannot be downloaded, or has no weights that can be read without unpickling; says why.
        StorageError: The disk refused.
    """
    from huggingface_hub import constants, errors  # noqa: PLC0415 - only a voice with such a name needs it

    constants.HF_HUB_DISABLE_TELEMETRY = True  # it asks for the files of a voice, and tells nothing else
    _log.info("downloading %s from the Hugging Face hub into %s", name, constants.HF_HUB_CACHE)
    try:
        with translating_os_errors(Path(constants.HF_HUB_CACHE)):
            _download(name)
    except errors.RemoteEntryNotFoundError as error:
        raise InputError(
            f"{name} is no voice in the Hugging Face layout: {_first_line(error)}",
            hint=f"it needs {', '.join(_NEEDED)}; pickled weights are not read",
        ) from error
    except errors.LocalEntryNotFoundError as error:  # there is no network, or it is not to be used
        raise _unreachable(name, error.__cause__ or error) from error
    except (errors.HTTPError, ValueError) as error:  # type: ignore[attr-defined]  # that of its HTTP library
        raise _unreachable(name, error) from error


def _download(name: str) -> None:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - as above
    from huggingface_hub.errors import RemoteEntryNotFoundError  # noqa: PLC0415

    # The first answer tells the revision, and the others are asked for by it: all files are of one.
    revision = Path(hf_hub_download(name, CONFIG)).parent.name
    for file in _NEEDED[1:]:
        hf_hub_download(name, file, revision=revision)
    try:
        hf_hub_download(name, DISCRIMINATOR, revision=revision)
    except RemoteEntryNotFoundError:
        _log.debug("%s has no discriminator", name)


def _unreachable(name: str, error: BaseException) -> InputError:
    return InputError(
        f"{name} is no folder, not in the cache of the Hugging Face hub, and cannot be downloaded: "
        f"{_first_line(error)}",
        hint=f"check the name and the network, or {_elsewhere(name)}",
    )


def _elsewhere(name: str) -> str:
    folder = name.partition("/")[2]
    return (
        f"download it where there is a network: hf download {name} {' '.join(_NEEDED)} --local-dir {folder}; "
        f"then give that folder: --set vits.initial={folder}"
    )


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _cached(name: str, file: str) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - as above
    except ImportError as error:
        raise MissingPartError(
            f"{name} is no folder; voices of the Hugging Face hub need huggingface_hub, which is not installed",
            hint='pip install "synctalk[voice]"',
        ) from error
    try:
        found = try_to_load_from_cache(name, file)
    except ValueError:  # the hub allows no such name; fetching it says so
        return None
    return Path(found) if isinstance(found, str) else None
