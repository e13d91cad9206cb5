"""Credentials are tried once: a wrong password must never lock the account.

CouchDB 3.5 locks an account for a client address at the fifth wrong password, for five minutes, for the
right password too. So nothing runs in parallel until one request has shown that the password is right, and
after a refusal nothing is sent at all until the lock-out would be over.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from router.couch.errors import CouchRefused, CouchUnavailable, NotFound

LOCK_OUT = 330.0
"""Seconds to stay away after a refusal: CouchDB's five minutes and some."""


class CredentialGate:
    """Lets requests through one at a time until the credentials have proved right."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._proving = threading.Lock()
        self._proven = False
        self._refused_until = 0.0
        self._reason = ""

    @contextmanager
    def request(self, time_limit: float) -> Iterator[None]:
        """Surround a request; wait no longer than the limit (seconds) for others to prove the password.

        Raises:
            CouchRefused: the credentials were refused not long ago, or now.
            CouchUnavailable: others waited for the first answer all the time.
        """
        self._check()
        if self._proven:
            yield from self._watched()
            return
        if not self._proving.acquire(timeout=time_limit):
            raise CouchUnavailable("CouchDB has not answered a first request yet")
        try:
            self._check()
            yield from self._watched()
        finally:
            self._proving.release()

    def _check(self) -> None:
        if time.monotonic() < self._refused_until:
            raise CouchRefused(self._message())

    def _watched(self) -> Iterator[None]:
        try:
            yield
        except CouchRefused as refusal:
            self._reason = str(refusal)
            self._refused_until = time.monotonic() + LOCK_OUT
            self._proven = False
            raise CouchRefused(self._message()) from None
        except NotFound:
            self._proven = True  # it looked, so it let us in
            raise
        self._proven = True

    def _message(self) -> str:
        return (
            f"CouchDB refuses {self._who}: {self._reason}; put the right user and password into couchdb_url "
            f"and restart (not tried again for {LOCK_OUT:.0f} s, so that the account isn't locked)"
        )
