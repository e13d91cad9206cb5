"""Active port requests straight from CouchDB: whose number is coming in."""

import math
import threading
import time

from router.cache import holding
from router.cache.followed import PORT_REQUESTS, ActivePort, index_ports
from router.couch.databases import DatabaseInfo, Databases
from router.couch.errors import NotFound

_PAGE = 1000


class ActivePorts:
    """All of them, read as a whole. Threads share it, and calls that wait at the same time share a check.

    A check asks CouchDB for the database's sequences, and reads the documents only where these moved.

    Args:
        max_age: seconds that a check serves `naming`.
    """

    def __init__(self, databases: Databases, max_age: float) -> None:
        self._databases = databases
        self._max_age = max_age
        self._ports: dict[str, tuple[ActivePort, ...]] = {}
        self._info: DatabaseInfo | None = None
        self._checked_at = -math.inf
        self._lock = threading.Lock()

    def naming(self, number: str) -> tuple[ActivePort, ...]:
        """Those that name an E.164 number, at most `max_age` seconds ago.

        Raises:
            CouchError: they can't be read.
        """
        return self._checked_since(time.monotonic() - self._max_age).get(number, ())

    def naming_now(self, number: str) -> tuple[ActivePort, ...]:
        """Those that name an E.164 number, by a check that begins after this call.

        Raises:
            CouchError: they can't be read.
        """
        return self._checked_since(time.monotonic()).get(number, ())

    def _checked_since(self, moment: float) -> dict[str, tuple[ActivePort, ...]]:
        """Port requests by number, by a check that began after this moment of the monotonic clock."""
        with self._lock:
            if self._checked_at <= moment:
                begun = time.monotonic()
                self._check()
                self._checked_at = begun
            return self._ports

    def _check(self) -> None:
        try:
            # Before the documents: a change during the reading makes the next check read again.
            info = self._databases.info(PORT_REQUESTS)
            if self._info is None or _version(info) != _version(self._info):
                self._ports = index_ports(self._read())
            self._info = info
        except NotFound:
            self._ports, self._info = {}, None

    def _read(self) -> list[ActivePort]:
        found: list[ActivePort] = []
        for page in self._databases.all_documents(PORT_REQUESTS, _PAGE):
            found += [port for port in map(holding.active_port, page) if port is not None]
        return found


def _version(info: DatabaseInfo) -> tuple[str, str, str]:
    return info.instance, info.update_seq, info.purge_seq
