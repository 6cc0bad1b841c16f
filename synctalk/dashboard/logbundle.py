"""Everything that helps to find a mistake, as one archive to be sent to somebody, without secrets.

    about.json                       versions and the machine
    doctor.json                      the doctor's findings
    queue/ID.json, queue/ID.log      what was asked, and what its process printed
    datasets/NAME/state.json         what ran and how far it came
    datasets/NAME/STAGE.log          the end of each log

Recordings, texts that were spoken, weights and settings files are not in it. Home folders, the machine's name and
whatever looks like a key or a password are replaced; the server's token is known to nobody, this program included.
"""

from __future__ import annotations

import io
import os
import platform
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from synctalk.catalogue import find_datasets
from synctalk.dashboard.confinement import Confinement
from synctalk.dashboard.problems import RefusedError
from synctalk.dashboard.queue import QUEUE_FOLDER
from synctalk.dashboard.requests import Request
from synctalk.dashboard.system import describe_machine

_LONGEST_BYTES = 256 << 10
_MOST_BYTES = 64 << 20
_GONE = "(removed)"
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|ACCESS_?KEY|PRIVATE|CREDENTIAL|COOKIE|AUTH", re.IGNORECASE)
_SHORTEST_SECRET = 6
_LOOKS_SECRET = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {_GONE}"),
    (
        re.compile(
            r"(?i)((?:token|secret|passw(?:or)?d|api[_-]?key|access[_-]?key|cookie|session)[\"']?\s*[=:]\s*[\"']?)"
            r"[^\s\"',;}]{4,}"
        ),
        rf"\1{_GONE}",
    ),
    (re.compile(r"\b(?:hf_|ghp_|gho_|github_pat_|sk-|xox[abp]-|AKIA|AIza)[A-Za-z0-9_-]{8,}"), _GONE),
    (re.compile(r"(\b\w{1,20}://)[^/\s:@]{1,200}:[^/\s@]{1,200}@"), rf"\1{_GONE}@"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), _GONE),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), _GONE),
    (re.compile(r"/(?:home|Users)/[^/\s\"']+|/root(?=/|\b)"), "~"),
)


def bundle_logs(confinement: Confinement, requests: Sequence[Request], findings: Sequence[object]) -> bytes:
    """The archive.

    Args:
        confinement: Opens files below the root.
        requests: Of the queue.
        findings: Of the doctor.
    """
    secrets = [platform.node(), str(Path.home()), *_secrets_around()]
    left_bytes = _MOST_BYTES
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _members(confinement, requests, findings):
            text = without_secrets(content.decode(errors="replace"), secrets)
            left_bytes -= len(text)
            if left_bytes < 0:
                break
            archive.writestr(without_secrets(name, secrets), text)
    return stream.getvalue()


def without_secrets(text: str, known: Sequence[str] = ()) -> str:
    """A text without what is known, or looks, like a secret."""
    for secret in sorted({each for each in known if len(each) >= _SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, _GONE)
    for pattern, instead in _LOOKS_SECRET:
        text = pattern.sub(instead, text)
    return text


def _secrets_around() -> list[str]:
    return [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]


def _members(
    confinement: Confinement, requests: Sequence[Request], findings: Sequence[object]
) -> Iterator[tuple[str, bytes]]:
    yield "about.json", msgspec.json.encode({**describe_machine(), "host": _GONE})
    yield "doctor.json", msgspec.json.encode(findings)
    for request in requests:
        job = request.job and msgspec.structs.replace(request.job, text=f"({len(request.job.text)} characters)")
        yield f"queue/{request.id}.json", msgspec.json.encode(msgspec.structs.replace(request, job=job))
        yield from _end_of(confinement, [QUEUE_FOLDER, "logs", f"{request.id}.log"], f"queue/{request.id}.log")
    for name in find_datasets(confinement.root):
        place = ["dataset", name]
        yield from _end_of(confinement, [*place, ".training_state.json"], f"datasets/{name}/state.json")
        for log in sorted(confinement.root.joinpath(*place, "logs").glob("*.log")):
            yield from _end_of(confinement, [*place, "logs", log.name], f"datasets/{name}/{log.name}")


def _end_of(confinement: Confinement, names: list[str], called: str) -> Iterator[tuple[str, bytes]]:
    """The end of a file; nothing where there is none, or a link."""
    try:
        with confinement.open_file(names) as descriptor:
            size = os.fstat(descriptor).st_size
            yield called, os.pread(descriptor, _LONGEST_BYTES, max(0, size - _LONGEST_BYTES))
    except RefusedError:
        return
