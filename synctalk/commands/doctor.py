"""`synctalk doctor`: is everything this program needs here, and working?"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from synctalk.errors import ExitCode

_LIBRARIES = (
    "torch", "numpy", "av", "soundfile", "soxr", "cv2", "mediapipe", "ffmpeg", "skimage",
    "matplotlib", "tqdm", "filelock", "joblib", "msgspec", "xxhash",
)  # fmt: skip
_DISTRIBUTION_OF = {"ffmpeg": "ffmpeg-python", "skimage": "scikit-image"}
_WANTED_FREE_GIB = 5
_GIB = 1 << 30


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    subject: str
    is_good: bool
    detail: str


def add_parsers(commands: Any, *, parents: list[argparse.ArgumentParser]) -> None:
    """Add `doctor` to the program."""
    parser = commands.add_parser("doctor", parents=parents, help="check the installation and this machine")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> ExitCode:
    """Look at everything, print what was found; exit code 1 when something is missing."""
    findings = list(examine(args.root))
    if args.json:
        print(msgspec.json.encode(findings).decode())
    else:
        for finding in findings:
            print(f"{'ok ' if finding.is_good else 'BAD'}  {finding.subject:<14} {finding.detail}")
    return ExitCode.DONE if all(finding.is_good for finding in findings) else ExitCode.FAILED


def examine(root: Path) -> Iterator[Finding]:
    """Look at Python, the libraries, the encoder, the face finder, the device and the disk, one after the other."""
    yield Finding("python", sys.version_info[:2] in {(3, 11), (3, 12)}, sys.version.split()[0])
    for library in _LIBRARIES:
        yield _try(library, partial(_import_version, library))
    yield _try("encoder", _describe_encoder)
    yield _try("face finder", _find_drawn_face)
    yield _try("device", _describe_device)
    yield _try("disk", partial(_describe_disk, root))


def _try(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, is_good=True, detail=look())
    except Exception as error:  # noqa: BLE001 - a doctor reports every kind of illness
        first_line = (str(error).splitlines() or [""])[0]
        return Finding(subject, is_good=False, detail=f"{type(error).__name__}: {first_line}")


def _import_version(name: str) -> str:
    importlib.import_module(name)
    distributions = metadata.packages_distributions().get(name, [_DISTRIBUTION_OF.get(name, name)])
    return metadata.version(distributions[0])


def _describe_encoder() -> str:
    binary = importlib.import_module("synctalk.media.encode").find_ffmpeg()
    text = subprocess.run([str(binary), "-version"], capture_output=True, text=True, check=True, timeout=30).stdout
    if "libx264" not in text:
        raise RuntimeError(f"{binary} has no libx264")
    return f"{text.split()[2]} with libx264 ({binary})"


def _find_drawn_face() -> str:
    presenter = importlib.import_module("synctalk.face.presenter")
    landmarks = importlib.import_module("synctalk.media.landmarks")
    picture = presenter.draw_presenter(0.3, 0.5, frame=0, seed=0, size_px=512)
    with landmarks.FaceTracker() as tracker:
        faces = tracker.find(picture)
    if len(faces) != 1:
        raise RuntimeError(f"found {len(faces)} faces on a drawing of one")
    return "finds a drawn face"


def _describe_device() -> str:
    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name()}"
    if torch.backends.mps.is_available():
        return "mps (Apple)"
    return f"cpu with {torch.get_num_threads()} threads (the draft preset is made for this)"


def _describe_disk(root: Path) -> str:
    free_gib = shutil.disk_usage(root).free / _GIB
    if not os.access(root, os.W_OK):
        raise PermissionError(f"{root.resolve()} is not writable; use --root")
    if free_gib < _WANTED_FREE_GIB:
        raise RuntimeError(f"only {free_gib:.1f} GiB free in {root.resolve()}; {_WANTED_FREE_GIB} are wanted")
    return f"{free_gib:.0f} GiB free in {root.resolve()}"
