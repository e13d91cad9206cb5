"""Detects scans: callers that ask for one unassigned number after the other.

Their databases are listed, instead of read for each number.
"""

import threading
import time
from collections.abc import Collection

from router.couch.errors import NotFoundError
from router.lookup.origin_reader import OriginReader
from router.near_cache.negative_ranges import NegativeRanges
from router.trust.monitor import TrustMonitor
from router.trust.trust import FRESH

_SCAN_THRESHOLD = 8
"""Numbers without a document in one database within a window that are no scan: wrong numbers are dialled every day."""
_WINDOW = 10.0
"""Seconds in which numbers without a document are counted together."""
_ROWS = 1000
"""Ids in a listing: some 100 kB of CouchDB's, which it needs as long for as for ten documents."""
_LAST_DIGITS = 3
"""A listing begins at a round number, so that it serves scans in either direction."""
_MAX_DATABASES = 10_000


class ScanDetector:
    """Counts numbers without a document, and lists the databases that are scanned. Threads share it.

    Args:
        trust: tells whether a negative range could be used now.
        ttl: seconds for which a listing is valid.
    """

    def __init__(self, origin: OriginReader, negative_ranges: NegativeRanges, trust: TrustMonitor, ttl: float) -> None:
        self._origin = origin
        self._negative_ranges = negative_ranges
        self._trust = trust
        self._ttl = ttl
        self._lock = threading.Lock()
        self._absent: dict[str, tuple[float, int]] = {}
        self._being_listed: set[str] = set()

    def wants_listing(self, database: str, absent: Collection[str]) -> bool:
        """Count numbers that were read and have no document; return whether to list their database now.

        After True, `list_around` must follow.
        """
        if not absent or self._trust.current.near is not FRESH:
            return False
        now = time.monotonic()
        with self._lock:
            since, count = self._absent.get(database, (now, 0))
            if now > since + _WINDOW:
                since, count = now, 0
            if len(self._absent) >= _MAX_DATABASES:
                self._absent.clear()
            self._absent[database] = since, count + len(absent)
            if count + len(absent) <= _SCAN_THRESHOLD or database in self._being_listed:
                return False
            self._being_listed.add(database)
            return True

    def list_around(self, database: str, number: str) -> None:
        """List a database from shortly before a number on.

        Raises:
            CouchError: it can't be read.
        """
        ranges = self._negative_ranges
        began = time.monotonic()
        opened = ranges.open(database, number[:-_LAST_DIGITS], began)
        try:
            found, last = self._read(database, opened.first)
            ranges.close(opened, found, last, began + self._ttl)
        except BaseException:
            ranges.drop(opened)
            raise
        finally:
            with self._lock:
                self._being_listed.discard(database)

    def _read(self, database: str, first: str) -> tuple[list[str], str | None]:
        """Return ids from `first` on, and the last number up to which they are complete; None for no end."""
        try:
            found = self._origin.ids_from(database, first, _ROWS)
        except NotFoundError:
            return [], None
        return found, found[-1] if len(found) >= _ROWS else None
