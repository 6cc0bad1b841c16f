"""Where the program's words go: the console for people, `logs/<stage>.log` for later."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT_LOGGER = "synctalk"
TERMINAL_LOCK = threading.RLock()
"""For tqdm, whose own lock is shared with every forked process: one that is killed while it writes would keep all
others waiting for ever."""


def get_logger(name: str) -> logging.Logger:
    """The logger of one module; `name` is the module's `__name__`."""
    return logging.getLogger(name)


def start_console(*, debug: bool = False, wording: Callable[[str], str] = str) -> None:
    """Send the program's messages to standard error: plain sentences, or with module names when debugging.

    Args:
        debug: Show everything.
        wording: What a message becomes before it is shown.
    """
    logger = logging.getLogger(ROOT_LOGGER)
    logger.setLevel(logging.DEBUG)
    if not any(isinstance(handler, _Console) for handler in logger.handlers):
        logger.addHandler(_Console())
    for handler in logger.handlers:
        if isinstance(handler, _Console):
            handler.wording = wording
            handler.setLevel(logging.DEBUG if debug else logging.INFO)
            handler.setFormatter(logging.Formatter("%(name)s: %(message)s" if debug else "%(message)s"))


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Also append the program's messages to `path`, with time and level, while the block runs.

    Raises:
        StorageError: The file cannot be opened for writing.
    """
    from synctalk.files import make_folder, translating_os_errors  # noqa: PLC0415 - a run with nothing to do skips it

    make_folder(path.parent)
    with translating_os_errors(path):
        handler = _LogFile(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger(ROOT_LOGGER)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()


class _LogFile(logging.FileHandler):
    """A log on a disk that may be full: what it tells about matters more than the telling."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is the library's
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


class _Console(logging.Handler):
    """Writes through tqdm while a bar is shown, so that messages never tear it.

    A terminal that was closed, or a pipe that nobody reads any more, must not end a training of hours.
    """

    wording: Callable[[str], str] = str

    def emit(self, record: logging.LogRecord) -> None:
        text = self.wording(self.format(record))
        tqdm_module = sys.modules.get("tqdm")
        with contextlib.suppress(OSError, ValueError):
            if tqdm_module is not None:
                tqdm_module.tqdm.set_lock(TERMINAL_LOCK)
                tqdm_module.tqdm.write(text, file=sys.stderr)
            else:
                sys.stderr.write(text + "\n")
                sys.stderr.flush()
