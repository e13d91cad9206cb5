"""Keeps a wrong password from locking the account.

CouchDB 3.5 locks an account for a client address at the fifth wrong password within five minutes, for the right
password too. So requests run one at a time until one has proved the password right, and none is sent for a while after
a refusal. CouchDB counts by address, so all processes of this user on this machine share one file for it, whose lock a
dead process can't hold.
"""

import fcntl
import math
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from router.couch.errors import CouchUnavailable, NotFoundError, WrongPasswordError

RETRY_INTERVAL = 90.0
"""Seconds between two tries with a refused password: four in five minutes, one fewer than lock the account."""

_CLOCK_TOLERANCE = 1.0
"""Seconds beyond the interval that don't prove a changed clock: the stored time is rounded."""

_LOCK_POLL_INTERVAL = 0.02
"""Seconds between two tries to lock the file."""


class CredentialGate:
    """Lets requests through one at a time until the credentials have proved right.

    Args:
        address: the server's, without credentials.
        credentials: user and password; None for an anonymous user, which CouchDB never locks.
    """

    def __init__(self, address: str, credentials: tuple[str, str] | None) -> None:
        self._user = credentials[0] if credentials else "an anonymous user"
        self._file = _file_for(address, credentials) if credentials else None
        self._proving = threading.Lock()
        self._proven = credentials is None
        self._refused_until = -math.inf

    @contextmanager
    def request(self, timeout: float) -> Iterator[None]:
        """Surround a request; wait at most `timeout` seconds for another request to prove the password.

        Raises:
            WrongPasswordError: the password was refused now, or within RETRY_INTERVAL.
            CouchUnavailable: the first response took longer than the timeout.
        """
        self._check(self._refused_until - time.monotonic())
        if self._proven:
            yield from self._watched(None)
            return
        if not self._proving.acquire(timeout=timeout):
            raise CouchUnavailable("CouchDB has not answered a first request yet")
        try:
            with _locked(self._file, timeout) as descriptor:
                self._check(self._refused_until - time.monotonic())
                self._check(_read(descriptor) - time.time())
                yield from self._watched(descriptor)
        finally:
            self._proving.release()

    def _check(self, left: float) -> None:
        if 0 < left < RETRY_INTERVAL + _CLOCK_TOLERANCE:  # a longer time comes from a clock that was set back since
            raise WrongPasswordError(self._message(left))

    def _watched(self, descriptor: int | None) -> Iterator[None]:
        try:
            yield
        except WrongPasswordError:
            self._refused_until = time.monotonic() + RETRY_INTERVAL
            self._proven = False
            _write(descriptor, time.time() + RETRY_INTERVAL)
            raise WrongPasswordError(self._message(RETRY_INTERVAL)) from None
        except NotFoundError:
            self._proven = True  # CouchDB checks the password before it looks for a document
            raise
        self._proven = True

    def _message(self, seconds: float) -> str:
        return (
            f"CouchDB refuses the name or password of {self._user}: put the right ones into couchdb_url, or into "
            "couchdb_user and couchdb_password "
            f"(these are not tried again for {seconds:.0f} s, so that the account isn't locked)"
        )


def _file_for(address: str, credentials: tuple[str, str]) -> Path | None:
    """Return the path of the shared file; only this user can read it, and its name is a hash of the credentials."""
    folder = Path(tempfile.gettempdir()) / f"did-router-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        return None
    return folder / sha256("\0".join((address, *credentials)).encode()).hexdigest()[:32]


@contextmanager
def _locked(path: Path | None, timeout: float) -> Iterator[int | None]:
    """Hold the file's lock; go on without one where the file can't be opened."""
    try:
        descriptor = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        descriptor = None
    try:
        if descriptor is not None:
            _lock(descriptor, time.monotonic() + timeout)
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(descriptor: int, end: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise CouchUnavailable("CouchDB has not answered another process' first request yet") from None
            time.sleep(_LOCK_POLL_INTERVAL)
        else:
            return


def _read(descriptor: int | None) -> float:
    if descriptor is None:
        return 0.0
    try:
        return float(os.pread(descriptor, 64, 0) or 0)
    except ValueError:
        return 0.0


def _write(descriptor: int | None, until: float) -> None:
    if descriptor is not None:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{until:.3f}".encode(), 0)
