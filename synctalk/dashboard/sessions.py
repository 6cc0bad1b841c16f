"""Who may use the pages: one token per start of the server, sessions that expire, and patience that runs out.

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

from synctalk.dashboard.problems import RefusedError

SESSION_S = 12 * 3600
"""How long a session lasts at most."""
_IDLE_S = 2 * 3600
_MOST_SESSIONS = 256
_MOST_FAILURES = 5
_MOST_FAILURES_OF_ALL = 30
_WINDOW_S = 60.0
_MOST_ADDRESSES = 1024


class TooManyAttemptsError(RefusedError):
    """Somebody is guessing."""

    status = 429
    title = "Too many attempts"


class WrongTokenError(RefusedError):
    """The token is not the one this server printed."""

    status = 401
    title = "Wrong token"


class Sessions:
    """Opens sessions for whoever knows the token.

    Args:
        token: What has to be known; '' lets everybody in who can reach the address.
        clock: Seconds that only grow.
    """

    def __init__(self, token: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._token_hash = _hash(token) if token else b""
        self._clock = clock
        self._guard = threading.Lock()
        self._sessions: dict[bytes, tuple[float, float]] = {}  # begun, last seen
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
            return True

    def log_out(self, session_id: str) -> None:
        """Close a session."""
        with self._guard:
            self._sessions.pop(_hash(session_id), None)

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
        return now - begun < SESSION_S and now - last < _IDLE_S


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
