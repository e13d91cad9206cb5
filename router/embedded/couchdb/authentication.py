"""Basic authentication of one administrator, with CouchDB's lock after five wrong passwords."""

import base64
import binascii
import hmac
import threading
import time

from router.embedded.couchdb.errors import ApiError, unauthorized

LOCK_AFTER = 5
_LOCKED = "Account is temporarily locked due to multiple authentication failures"
_WRONG = "Name or password is incorrect."


class Authenticator:
    """Checks credentials.

    Args:
        user: the administrator's name.
        password: the administrator's password.
        lock_seconds: seconds, from the first of five failures, for which the account is locked for an address.
    """

    def __init__(self, user: str, password: str, lock_seconds: float) -> None:
        self.user = user
        self._password = password.encode()
        self._lock_seconds = lock_seconds
        self._failures: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def authenticate(self, header: str | None, address: str) -> bool:
        """Return whether an `Authorization` header proves the administrator; False without one.

        Raises:
            ApiError: 401 for wrong credentials; 403 while the account is locked for this address, for the
                right password too.
        """
        if header is None:
            return False
        user, password = _credentials(header)
        if user != self.user:
            raise unauthorized(_WRONG)
        if self._locked(address):
            raise ApiError(403, "forbidden", _LOCKED)
        if not hmac.compare_digest(password.encode(), self._password):
            self._count(address)
            raise unauthorized(_WRONG)
        return True

    def _locked(self, address: str) -> bool:
        count, since = self._failures.get(address, (0, 0.0))
        return count >= LOCK_AFTER and time.monotonic() - since < self._lock_seconds

    def _count(self, address: str) -> None:
        now = time.monotonic()
        with self._lock:
            count, since = self._failures.get(address, (0, now))
            if now - since >= self._lock_seconds:
                count, since = 0, now
            self._failures[address] = (count + 1, since)


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise unauthorized(_WRONG)
    try:
        text = base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise unauthorized(_WRONG) from error
    user, _, password = text.partition(":")
    return user, password
