"""Where a training runs, in which number format, and how batches get there.

Everything is chosen once, before the first step. What is chosen here may change speed and the last bits of a result,
never what is trained.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from synctalk import __version__
from synctalk.errors import InputError

_MOST_LOADERS = 4
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_FIRST_SCALE = 2.0**12
_IMAGE_DIMENSIONS = 4


@dataclass(frozen=True)
class Placement:
    """A device and the number format of the heavy operations on it.

    Attributes:
        device: Where models and batches live.
        dtype: What autocast computes in; float32 means no autocast.
    """

    device: torch.device
    dtype: torch.dtype = torch.float32

    @property
    def is_cuda(self) -> bool:
        """Whether this is an NVIDIA (or ROCm) GPU."""
        return self.device.type == "cuda"

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision for the forward computation, where it is on."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def waiting(self) -> Callable[[], None] | None:
        """What waits until the device has done all it was given; None on a processor, which is never behind."""
        if self.is_cuda:
            return partial(torch.cuda.synchronize, self.device)
        return torch.mps.synchronize if self.device.type == "mps" else None

    def new_scaler(self) -> torch.amp.GradScaler:
        """A loss scaler; it does nothing except in float16, whose small gradients would vanish."""
        return torch.amp.GradScaler(
            self.device.type if self.is_cuda else "cpu",
            init_scale=_FIRST_SCALE,
            enabled=self.dtype == torch.float16,
        )

    def place(self, module: nn.Module) -> None:
        """Move a model to the device, convolution weights in channels-last order; parameters stay the same objects."""
        module.to(self.device)
        # Weights alone decide the layout of every convolution after them, so batches need no conversion.
        for parameter in module.parameters():
            if parameter.dim() == _IMAGE_DIMENSIONS:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def move(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A batch on the device; from pinned memory and without waiting on CUDA."""
        if self.device.type == "cpu":
            return dict(batch)
        return {name: self._move(tensor) for name, tensor in batch.items()}

    def _move(self, tensor: Tensor) -> Tensor:
        if not self.is_cuda:
            return tensor.to(self.device)
        pinned = tensor if tensor.is_pinned() else tensor.pin_memory()
        return pinned.to(self.device, non_blocking=True)


def choose_placement(device: str = "auto", precision: str = "auto") -> Placement:
    """The placement asked for, or the best one this machine has.

    Args:
        device: `auto` (cuda, then mps, then cpu), or one of these names; `cuda:1` is understood too.
        precision: `auto` (on CUDA bfloat16 where the GPU has it, else float16; float32 elsewhere), `float32`,
            `bfloat16` or `float16`.

    Raises:
        InputError: This machine lacks the device, or float16 is asked for off CUDA.
    """
    chosen = torch.device(_best_device() if device == "auto" else device)
    if (chosen.type == "cuda" and not torch.cuda.is_available()) or (chosen.type == "mps" and not _has_mps()):
        raise InputError(
            f"this machine has no usable {chosen.type} device", hint="leave it out, or use --set runtime.device=auto"
        )
    if precision == "auto":
        return Placement(chosen, _best_dtype(chosen))
    if precision == "float16" and chosen.type != "cuda":
        raise InputError(f"float16 does not work on {chosen.type}", hint="use --set runtime.precision=auto")
    return Placement(chosen, _DTYPES[precision])


def choose_workers(workers: int, placement: Placement) -> int:
    """The number of loader processes: as asked, or none on a CPU (which has no cycles to spare) and a few on a GPU."""
    if workers >= 0:
        return workers
    return min(_MOST_LOADERS, max(1, (os.cpu_count() or 1) - 1)) if placement.is_cuda else 0


@contextlib.contextmanager
def deterministic(placement: Placement) -> Iterator[None]:
    """Choose reproducible algorithms while the block runs.

    On a GPU an operation that has none is allowed, with a warning: such a training still resumes, but its last bits
    may differ.

    Side effects:
        Sets `CUBLAS_WORKSPACE_CONFIG` on CUDA, which cuBLAS reads once.
    """
    if placement.is_cuda:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cudnn, settings = torch.backends.cudnn, cast(Any, torch.utils.deterministic)
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        settings.fill_uninitialized_memory,
        cudnn.deterministic,
        cudnn.benchmark,
    )
    torch.use_deterministic_algorithms(mode=True, warn_only=placement.device.type != "cpu")
    # Filling every new tensor with NaN finds bugs in kernels; it costs time and changes no result.
    settings.fill_uninitialized_memory = False
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        settings.fill_uninitialized_memory = before[2]
        cudnn.deterministic, cudnn.benchmark = before[3], before[4]


def describe_machine(placement: Placement) -> dict[str, str]:
    """What the last bits of a result depend on besides seeds: libraries, device, instruction set, threads."""
    name = torch.cuda.get_device_name(placement.device) if placement.is_cuda else placement.device.type
    return {
        "synctalk": __version__,
        "torch": str(torch.__version__),
        "device": name,
        "precision": str(placement.dtype).removeprefix("torch."),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if _has_mps() else "cpu"


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _best_dtype(device: torch.device) -> torch.dtype:
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
