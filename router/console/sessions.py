"""Logins: a visitor's token stays in the console's memory, behind a random id in a cookie."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_MAX_SESSIONS = 1000
"""Logins kept at a time: the one that was idle longest ends first."""


@dataclass(slots=True, repr=False)
class Session:
    """A login. It has no readable representation, so that no log can hold the token.

    Attributes:
        token: the visitor's token; empty for a service that asks for none.
        opened_at, seen_at: on the monotonic clock.
        last_states: the last state that an instance showed to this visitor, and when, by the instance's address.
    """

    id: str
    token: str
    opened_at: float
    seen_at: float
    last_states: dict[str, tuple[float, Any]] = field(default_factory=dict)


class SessionStore:
    """Holds logins in memory.

    Args:
        idle_timeout: seconds without a request after which a login ends.
        session_ttl: seconds after which a login ends in any case.
    """

    def __init__(self, idle_timeout: float, session_ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle_timeout = idle_timeout
        self._session_ttl = session_ttl
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def open(self, token: str) -> Session:
        """Return a new login."""
        self._remove_expired()
        if len(self._sessions) >= _MAX_SESSIONS:
            del self._sessions[min(self._sessions.values(), key=lambda each: each.seen_at).id]
        now = self._clock()
        session = Session(secrets.token_urlsafe(32), token, now, now)
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str, *, is_active: bool) -> Session | None:
        """Return a login that has not ended.

        Args:
            is_active: the request comes from a person: a page that refreshes itself must not keep a login open.
        """
        session = self._sessions.get(session_id)
        if session is None:
            return None
        if self._is_expired(session):
            self.close(session)
            return None
        if is_active:
            session.seen_at = self._clock()
        return session

    def close(self, session: Session) -> None:
        """End a login."""
        self._sessions.pop(session.id, None)

    def tokens(self) -> list[str]:
        """Return the tokens of all logins, the one used last first."""
        self._remove_expired()
        return [each.token for each in sorted(self._sessions.values(), key=lambda each: -each.seen_at)]

    def _remove_expired(self) -> None:
        for session in list(self._sessions.values()):
            if self._is_expired(session):
                self.close(session)

    def _is_expired(self, session: Session) -> bool:
        now = self._clock()
        return now - session.seen_at > self._idle_timeout or now - session.opened_at > self._session_ttl
