"""Keeps the chatter of native libraries off the console without hiding anybody else's words."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

_STDERR = 2
_CHATTER = re.compile(
    rb"^([IWE]\d{4} \d\d:\d\d:\d+"  # absl and glog: level, month and day, time
    rb"|INFO: |WARNING: All log messages before absl"
    rb"|WARNING: Logging before InitGoogleLogging"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] )"  # TensorFlow
)


@contextlib.contextmanager
def muted_native_log() -> Iterator[None]:
    """Hold back what reaches the standard error file descriptor, and pass on all but native log lines afterwards.

    Native code writes past `sys.stderr`, so the descriptor itself is redirected; keep the block short.
    """
    kept = os.dup(_STDERR)
    try:
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), _STDERR)
            try:
                yield
            finally:
                os.dup2(kept, _STDERR)
                held.seek(0)
                _pass_on(held.read())
    finally:
        os.close(kept)


def _pass_on(text: bytes) -> None:
    words = b"".join(line for line in text.splitlines(keepends=True) if not _CHATTER.match(line))
    while words:
        words = words[os.write(_STDERR, words) :]
