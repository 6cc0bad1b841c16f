"""Permissions of files that hold for root too.

Linux lets root pass them by through two capabilities of the thread; without those, root is refused like everybody else.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 0x20080522  # of the kernel's structure, with two words of capabilities (capabilities(7))
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Word(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def enforced() -> Iterator[None]:
    """Keep this thread from passing by the permissions of files."""
    words = _call("capget", (_Word * 2)())
    effective = words[0].effective
    words[0].effective &= ~(_DAC_OVERRIDE | _DAC_READ_SEARCH)
    _call("capset", words)
    try:
        yield
    finally:
        words[0].effective = effective
        _call("capset", words)


def _call(name: str, words: ctypes.Array[_Word]) -> ctypes.Array[_Word]:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(ctypes.byref(_Header(_VERSION, 0)), words) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return words
