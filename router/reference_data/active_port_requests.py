"""Active port requests straight from CouchDB: whose number is coming in."""

import math
import threading
import time

from router.couch.errors import NotFoundError
from router.couch.responses import DatabaseInfo
from router.couch.server import CouchServer
from router.entries import entry_builder
from router.entries.reference_values import ActivePortRequest
from router.numbers.kazoo_databases import PORT_REQUESTS
from router.reference_data.reference_data import index_by_number

_PAGE = 1000


class ActivePortRequests:
    """All of them, read as a whole. Threads share it, and calls that wait at the same time share a check.

    A check asks CouchDB for the database's sequences, and reads the documents only where these moved.

    Args:
        max_age: seconds that a check serves `naming`.
    """

    def __init__(self, databases: CouchServer, max_age: float) -> None:
        self._databases = databases
        self._max_age = max_age
        self._ports: dict[str, tuple[ActivePortRequest, ...]] = {}
        self._info: DatabaseInfo | None = None
        self._copies: dict[str, str] = {}
        self._checked_at = -math.inf
        self._lock = threading.Lock()

    def naming(self, number: str) -> tuple[ActivePortRequest, ...]:
        """Return the port requests that name an E.164 number, at most `max_age` seconds ago.

        Raises:
            CouchError: they can't be read.
        """
        return self._checked_since(time.monotonic() - self._max_age).get(number, ())

    def for_number_now(self, number: str) -> tuple[ActivePortRequest, ...]:
        """Return the port requests that name an E.164 number, by a check that begins after this call.

        Raises:
            CouchError: they can't be read.
        """
        return self._checked_since(time.monotonic()).get(number, ())

    def _checked_since(self, moment: float) -> dict[str, tuple[ActivePortRequest, ...]]:
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
            info = self._databases.database(PORT_REQUESTS).info()
            if not self._is_known(info):
                self._ports = index_by_number(self._read())
        except NotFoundError:
            self._ports, self._info, self._copies = {}, None, {}
            return
        # Each copy of a cluster counts on its own, and answers name one or the other.
        self._copies = {**self._copies, **info.copies} if self._is_same_database(info) else {**info.copies}
        self._info = info

    def _is_known(self, info: DatabaseInfo) -> bool:
        return self._is_same_database(info) and info.copies.items() <= self._copies.items()

    def _is_same_database(self, info: DatabaseInfo) -> bool:
        known = self._info
        return known is not None and (known.instance, known.purges) == (info.instance, info.purges)

    def _read(self) -> list[ActivePortRequest]:
        found: list[ActivePortRequest] = []
        for page in self._databases.database(PORT_REQUESTS).all_documents(_PAGE):
            found += [port for port in map(entry_builder.active_port_request, page) if port is not None]
        return found
