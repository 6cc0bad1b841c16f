"""Campaign: files of an interrupted or finished dataset are damaged, and the next run must notice each and end with the
same outcome (T3)."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import torch

from bench.chaos.findings import Findings
from bench.chaos.line import NAME
from bench.chaos.outcome import differences
from bench.chaos.trial import Place, copied_place, run
from synctalk.errors import SynctalkError
from synctalk.training.checkpoint import load_checkpoint
from synctalk.training.content import hash_tree
from synctalk.workspace import Workspace

_SPARED = {".lock", "source.bin"}
"""Without content, and the user's own recording."""
Damage = Callable[[Path, random.Random], Path | None]
"""Damages a file; returns the other one that it took for it, if any."""


def corrupt(seed: int, *, templates: list[Place], expected: dict[str, str]) -> Findings:
    """Damage one to three files of a copy of a template in random ways, then run.

    An older checkpoint of a stage that is finished is not read by anybody, so its damage shows only when it is needed:
    such a file itself is not compared, everything else is.
    """
    chance, findings = random.Random(seed), Findings()
    with copied_place(chance.choice(templates)) as place:
        files = _targets(place)
        done: list[tuple[Path, str]] = []
        touched: dict[Path, bytes] = {}
        for path in chance.sample(files, k=min(len(files), chance.choices([1, 2, 3], weights=[6, 2, 1])[0])):
            kinds = [kind for kind in DAMAGES if kind in _FITTING or path.suffix == ".pth"]
            kind = chance.choice(kinds)
            other = DAMAGES[kind](path, chance)
            done.append((path, kind))
            touched |= {each: each.read_bytes() for each in (path, other) if each and each.exists()}
            findings.counts[f"{_family(path)}: {kind}"] += 1
            findings.counts["damaged files"] += 1
        name = f"seed {seed}, " + ", ".join(f"{kind} in {path.name}" for path, kind in done)
        place.log.unlink(missing_ok=True)
        code = run(place)
        if code != 0:
            last = " | ".join(place.log.read_text().splitlines()[-3:])
            findings.violations.append(f"{name}: exit code {code}; {last}")
            return findings
        old = [path for path in touched.keys() | dict(done).keys() if path.name.startswith("epoch_")]
        found = differences(place.root, expected, apart_from={f"{path.parent.name} {path.name}" for path in old})
        findings.violations += [f"{name}: {difference}" for difference in found]
        said = place.log.read_text()
        findings.violations += [
            f"{name}: {path.parent.name} {path.name} still stands under its name"
            for path, damaged in touched.items()
            if f"{path.parent.name}: skipped" not in said and _is_unnoticed(path, damaged)
        ]
    return findings


def _is_unnoticed(path: Path, damaged: bytes) -> bool:
    """Whether a checkpoint that cannot be used is still where it was."""
    if path.suffix != ".pth" or not path.exists() or path.read_bytes() != damaged:
        return False
    try:
        load_checkpoint(path)
    except SynctalkError:
        return True
    return False  # the damage left what the file says untouched, for example a byte between two of its parts


def _targets(place: Place) -> list[Path]:
    workspace = Workspace(place.root, NAME)
    folders = [workspace.dataset, workspace.face, *(workspace.training(stage) for stage in ("ear", "mouth"))]
    found = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()]
    return sorted(path for path in found if path.name not in _SPARED and path.suffix != ".tmp")


def _family(path: Path) -> str:
    if path.suffix == ".pth":
        return "snapshot" if "snapshot" in path.name else "checkpoint"
    return {".npy": "prepared data", ".png": "plot"}.get(path.suffix, path.name.removesuffix(".bak"))


def _flip_in_header(path: Path, chance: random.Random) -> None:
    _flip(path, chance, upto=256)


def _flip_in_payload(path: Path, chance: random.Random) -> None:
    _flip(path, chance, upto=None)


def _flip(path: Path, chance: random.Random, *, upto: int | None) -> None:
    content = bytearray(path.read_bytes())
    if content:
        place = chance.randrange(len(content[:upto]))
        content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _truncate(path: Path, chance: random.Random) -> None:
    size = path.stat().st_size
    os.truncate(path, chance.choice([0, min(1, size), size // 2, max(0, size - 1)]))


def _zero(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    start = chance.choice([0, len(content) // 2, max(0, len(content) - 512)])
    path.write_bytes(content[:start] + bytes(len(content) - start))


def _swap(path: Path, chance: random.Random) -> Path:
    others = [other for other in path.parent.iterdir() if other.is_file() and other.name not in {*_SPARED, path.name}]
    other = chance.choice(sorted(others))
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)
    return other


def _delete(path: Path, _chance: random.Random) -> None:
    path.unlink()


def _put_foreign(path: Path, chance: random.Random) -> None:
    if chance.random() < 0.5:
        path.write_bytes(chance.randbytes(2000))
    else:
        torch.save({"state_dict": {"weight": torch.ones(3)}}, path)


def _put_nan(path: Path, chance: random.Random) -> None:
    """A NaN in the weights; half of the time with a hash that fits it."""
    content = torch.load(path, weights_only=True)
    model = content["models"][chance.choice(sorted(content["models"]))]
    weights = [value for value in model.values() if value.is_floating_point()]
    weight = chance.choice(weights)
    weight[(0,) * weight.dim()] = float("nan")
    if chance.random() < 0.5:
        del content["hash"]
        content["hash"] = hash_tree(content)
    torch.save(content, path)


DAMAGES: dict[str, Damage] = {
    "bit flip in the header": _flip_in_header,
    "bit flip in the payload": _flip_in_payload,
    "cut off": _truncate,
    "zeros": _zero,
    "swapped with another file": _swap,
    "deleted": _delete,
    "foreign file": _put_foreign,
    "NaN": _put_nan,
}
_FITTING = DAMAGES.keys() - {"NaN"}
