"""Active port requests straight from CouchDB: whose number is coming in."""

import threading
import time

from router.cache import holding
from router.cache.followed import PORT_REQUESTS, ActivePort, index_ports
from router.couch.databases import Databases
from router.couch.errors import NotFound

_PAGE = 1000


class ActivePorts:
    """All of them, read as a whole; a reading serves for some seconds. Threads share it.

    Args:
        life: seconds.
    """

    def __init__(self, databases: Databases, life: float) -> None:
        self._databases = databases
        self._life = life
        self._ports: dict[str, tuple[ActivePort, ...]] = {}
        self._until = 0.0
        self._lock = threading.Lock()

    def naming(self, number: str) -> tuple[ActivePort, ...]:
        """Those that name an E.164 number.

        Raises:
            CouchError: they can't be read.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                self._ports = index_ports(self._read())
                self._until = time.monotonic() + self._life
            return self._ports.get(number, ())

    def _read(self) -> list[ActivePort]:
        found: list[ActivePort] = []
        try:
            for page in self._databases.all_documents(PORT_REQUESTS, _PAGE):
                found += [port for port in map(holding.active_port, page) if port is not None]
        except NotFound:
            return []
        return found
