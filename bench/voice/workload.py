"""What both trainers are given: the same texts and sounds, in networks of the same size, step by step on request."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

RATE_HZ = 22_050
HOP = 256
SIGNS_PER_S = 14
_LETTERS = (14, 38)  # ids of letters in Piper's map
_BOS, _PAD, _EOS = 1, 0, 2


@dataclass(frozen=True)
class Workload:
    """One batch, trained on again and again.

    Attributes:
        size: `medium` or `high`, as in `vits.size` and in Piper's qualities.
        batch: Clips.
        seconds: Length of each clip.
        segment: Samples that the decoder makes of each.
        threads: Of torch.
    """

    size: str
    batch: int
    seconds: float
    segment: int
    threads: int

    def ids(self) -> Tensor:
        """Letters with pads between them, begin and end `[B, S]`."""
        letters = torch.randint(*_LETTERS, (self.batch, round(self.seconds * SIGNS_PER_S)), generator=_seeded())
        padded = torch.stack([letters, torch.full_like(letters, _PAD)], dim=2).flatten(1)
        ends = [torch.full((self.batch, 1), number) for number in (_BOS, _PAD, _EOS)]
        return torch.cat([*ends[:2], padded, ends[2]], dim=1)

    def wave(self) -> Tensor:
        """Noise that swells and fades `[B, N]`, N a multiple of the hop."""
        count = round(self.seconds * RATE_HZ) // HOP * HOP
        swell = torch.sin(torch.arange(count) * (40 / RATE_HZ)).abs()
        return 0.1 * swell * torch.randn(self.batch, count, generator=_seeded())


class Meter:
    """A trainer's side of the conversation: each line of standard input asks for one step and is told its seconds.

    Args:
        description: Of the trainer, told first.
    """

    def __init__(self, description: str) -> None:
        _tell({"description": description})

    def is_asked(self) -> bool:
        """Wait for the next question; False when there are no more. The step begins with the return."""
        is_asked = bool(sys.stdin.readline())
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return is_asked

    def end(self) -> None:
        """The step has ended."""
        _tell({"wall": time.perf_counter() - self._wall, "cpu": time.process_time() - self._cpu})


def asked() -> Workload:
    """The workload on the command line, with torch set to its threads."""
    workload = Workload(**json.loads(sys.argv[1]))
    torch.set_num_threads(workload.threads)
    torch.manual_seed(0)
    return workload


def as_argument(workload: Workload) -> str:
    """For the command line of a trainer."""
    return json.dumps(asdict(workload))


def millions(*modules: torch.nn.Module) -> str:
    """How many weights, for the table."""
    counts = (sum(parameter.numel() for parameter in module.parameters()) for module in modules)
    return " + ".join(f"{count / 1e6:.1f}" for count in counts) + " M weights"


def _tell(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)
