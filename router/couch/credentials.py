"""A wrong password must never lock the account.

CouchDB 3.5 locks an account for a client address at the fifth wrong password within five minutes, for the right
password too. So nothing runs in parallel until one request has shown that the password is right, and after a
refusal nothing is sent for a while. CouchDB counts by address, so all processes of this user on this machine
keep to it together, by a file that a dead process can't hold.
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

PAUSE = 90.0
"""Seconds between two tries with a password that was refused: four in five minutes, one fewer than locks."""

_ROUNDED = 1.0
"""Seconds beyond the pause that say nothing of the clock: what is written is rounded, and may be read at once."""

_LOOK = 0.02


class CredentialGate:
    """Lets requests through one at a time until the credentials have proved right.

    Args:
        address: of the server, without credentials.
        credentials: user and password; None for an anonymous user, who can't be locked out.
    """

    def __init__(self, address: str, credentials: tuple[str, str] | None) -> None:
        self._who = credentials[0] if credentials else "an anonymous user"
        self._file = _file_for(address, credentials) if credentials else None
        self._proving = threading.Lock()
        self._proven = credentials is None
        self._refused_until = -math.inf

    @contextmanager
    def request(self, timeout: float) -> Iterator[None]:
        """Surround a request; wait no longer than the limit (seconds) for others to prove the password.

        Raises:
            WrongPasswordError: the password was refused not long ago, or now.
            CouchUnavailable: others waited for the first answer all the time.
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
        if 0 < left < PAUSE + _ROUNDED:  # more is of a clock that was set back since
            raise WrongPasswordError(self._message(left))

    def _watched(self, descriptor: int | None) -> Iterator[None]:
        try:
            yield
        except WrongPasswordError:
            self._refused_until = time.monotonic() + PAUSE
            self._proven = False
            _write(descriptor, time.time() + PAUSE)
            raise WrongPasswordError(self._message(PAUSE)) from None
        except NotFoundError:
            self._proven = True  # it looked, so it let us in
            raise
        self._proven = True

    def _message(self, seconds: float) -> str:
        return (
            f"CouchDB refuses the name or password of {self._who}: put the right ones into couchdb_url, or into "
            "couchdb_user and couchdb_password "
            f"(these are not tried again for {seconds:.0f} s, so that the account isn't locked)"
        )


def _file_for(address: str, credentials: tuple[str, str]) -> Path | None:
    """A file of this user alone; its name says nothing to others, and another password has another."""
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
    """Hold the file's lock; where there can't be one, processes do without."""
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
            time.sleep(_LOOK)
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
