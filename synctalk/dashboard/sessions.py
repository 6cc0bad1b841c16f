"""Who may use the pages: one token per start of the server, sessions that expire, and patience that runs out.

    .queue/sessions/open.json     the open sessions (writer: this server; reader: the next one)

A session outlives the server that opened it, but never its own end: who has proved once to know a token need not look
for the next one because the server was restarted. The token itself is made anew at each start, so one that was noted
somewhere long ago opens nothing. Deleting the file logs everybody out at the next start.

Neither the token nor a session's id is kept: only their hashes are, and both are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from synctalk import files
from synctalk.dashboard.problems import RefusedError
from synctalk.errors import StorageError
from synctalk.log import get_logger

SESSION_S = 12 * 3600
"""How long a session lasts at most."""
_IDLE_S = 2 * 3600
_NOTED_EVERY_S = 60.0
"""How much of a session's last use a server that is killed may forget."""
_CLOCK_ERROR_S = 60.0
_MOST_SESSIONS = 256
_MOST_FAILURES = 5
_MOST_FAILURES_OF_ALL = 30
_WINDOW_S = 60.0
_MOST_ADDRESSES = 1024
_HASH_BYTES = 32
_log = get_logger(__name__)


class TooManyAttemptsError(RefusedError):
    """Somebody is guessing."""

    status = 429
    title = "Too many attempts"


class WrongTokenError(RefusedError):
    """The token is not the one this server printed."""

    status = 401
    title = "Wrong token"


class _Open(msgspec.Struct, frozen=True, kw_only=True):
    """One open session as it is kept; times in seconds since 1970."""

    key: str
    begun: float
    last: float


class Sessions:
    """Opens sessions for whoever knows the token.

    Args:
        token: What has to be known; '' lets everybody in who can reach the address.
        kept_in: The file that outlives a server; None keeps nothing.
        clock: Seconds since 1970.
    """

    def __init__(self, token: str, *, kept_in: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._token_hash = _hash(token) if token else b""
        self._file = kept_in if token else None
        self._clock = clock
        self._guard = threading.Lock()
        self._sessions: dict[bytes, tuple[float, float]] = self._read()  # begun, last seen
        self._noted_at = self._clock()
        self._failures: dict[str, deque[float]] = {}
        self._failures_of_all: deque[float] = deque()

    @property
    def is_token_needed(self) -> bool:
        """Whether anybody has to log in."""
        return self._token_hash != b""

    def log_in(self, token: str, *, address: str) -> str:
        """Open a session.

        Args:
            token: What the visitor knows.
            address: Where the visitor is, for the limit on guesses.

        Returns:
            The session's id.

        Raises:
            TooManyAttemptsError: There were too many wrong tokens in the last minute.
            WrongTokenError: It is another one.
        """
        with self._guard:
            self._check(token, address)
            session_id, now = secrets.token_urlsafe(32), self._clock()
            self._sessions = {key: seen for key, seen in self._sessions.items() if self._is_alive(seen)}
            while len(self._sessions) >= _MOST_SESSIONS:
                del self._sessions[min(self._sessions, key=lambda key: self._sessions[key][1])]
            self._sessions[_hash(session_id)] = (now, now)
            self._write()
            return session_id

    def admits_token(self, token: str, *, address: str) -> bool:
        """Whether a program that sends the token with each request may come in.

        Raises:
            TooManyAttemptsError: There were too many wrong tokens in the last minute.
        """
        with self._guard:
            try:
                self._check(token, address)
            except WrongTokenError:
                return False
            return True

    def admits(self, session_id: str) -> bool:
        """Whether a session is open; it then stays so for a while."""
        key = _hash(session_id)
        with self._guard:
            seen = self._sessions.get(key)
            if seen is None:
                return False
            if not self._is_alive(seen):
                del self._sessions[key]
                return False
            self._sessions[key] = (seen[0], self._clock())
            if self._clock() - self._noted_at >= _NOTED_EVERY_S:
                self._write()
            return True

    def log_out(self, session_id: str) -> None:
        """Close a session."""
        with self._guard:
            if self._sessions.pop(_hash(session_id), None) is not None:
                self._write()

    def _check(self, token: str, address: str) -> None:
        now = self._clock()
        own = self._failures.setdefault(address, deque())
        for failures in (own, self._failures_of_all):
            while failures and failures[0] <= now - _WINDOW_S:
                failures.popleft()
        if len(own) >= _MOST_FAILURES or len(self._failures_of_all) >= _MOST_FAILURES_OF_ALL:
            raise TooManyAttemptsError("too many wrong tokens", hint="wait a minute, then try again")
        if hmac.compare_digest(_hash(token), self._token_hash):
            return
        own.append(now)
        self._failures_of_all.append(now)
        if len(self._failures) > _MOST_ADDRESSES:
            self._failures = {address: own}
        raise WrongTokenError("that is not the token of this server", hint="it was printed when the server started")

    def _is_alive(self, seen: tuple[float, float]) -> bool:
        begun, last = seen
        now = self._clock()
        # What began in the future was noted under another clock: nobody knows how old it is.
        return -_CLOCK_ERROR_S < now - begun < SESSION_S and now - last < _IDLE_S

    def _read(self) -> dict[bytes, tuple[float, float]]:
        """What the server before this one left; a file that cannot be read opens nothing."""
        try:
            kept = msgspec.json.decode(self._file.read_bytes(), type=list[_Open]) if self._file else []
            found = {bytes.fromhex(each.key): (each.begun, each.last) for each in kept[-_MOST_SESSIONS:]}
        except (OSError, ValueError):  # msgspec's errors are among the latter
            return {}
        return {key: seen for key, seen in found.items() if len(key) == _HASH_BYTES and self._is_alive(seen)}

    def _write(self) -> None:
        """Keep what is open; where the disk refuses, visitors log in again after a restart."""
        self._noted_at = self._clock()
        if self._file is None:
            return
        kept = [_Open(key=key.hex(), begun=begun, last=last) for key, (begun, last) in self._sessions.items()]
        try:
            files.write_json(files.make_folder(self._file.parent) / self._file.name, kept)
        except StorageError as error:
            _log.warning("open sessions are not kept over a restart: %s", error.message)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
