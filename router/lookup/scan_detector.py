"""Who asks for one unassigned number after the other: their databases are listed, instead of asked for each number."""

import threading
import time
from collections.abc import Callable, Collection

from router.couch.errors import NotFoundError
from router.lookup.origin_reader import OriginReader
from router.near_cache.negative_ranges import NegativeRanges

_FEW = 8
"""Numbers without a document in one database within a window that are no scan: wrong numbers are dialled every day."""
_WINDOW = 10.0
_ROWS = 1000
"""Ids in a listing: some 100 kB of CouchDB's, as long in the making as ten documents."""
_LAST_DIGITS = 3
"""A listing begins at a round number, so that it serves scans in either direction."""
_MOST_DATABASES = 10_000


class ScanDetector:
    """Notices scans and lists what they go through. Threads share it.

    Args:
        is_of_use: whether listings can be believed now.
        life: seconds that a listing is believed.
    """

    def __init__(
        self, authority: OriginReader, listings: NegativeRanges, is_of_use: Callable[[], bool], life: float
    ) -> None:
        self._authority = authority
        self._listings = listings
        self._is_of_use = is_of_use
        self._life = life
        self._lock = threading.Lock()
        self._unfound: dict[str, tuple[float, int]] = {}
        self._listing: set[str] = set()

    def wants(self, database: str, unfound: Collection[str]) -> bool:
        """Told of numbers that were read and have no document: whether their database is to be listed now.

        After True, `list_around` follows.
        """
        if not unfound or not self._is_of_use():
            return False
        now = time.monotonic()
        with self._lock:
            since, count = self._unfound.get(database, (now, 0))
            if now > since + _WINDOW:
                since, count = now, 0
            if len(self._unfound) >= _MOST_DATABASES:
                self._unfound.clear()
            self._unfound[database] = since, count + len(unfound)
            if count + len(unfound) <= _FEW or database in self._listing:
                return False
            self._listing.add(database)
            return True

    def list_around(self, database: str, number: str) -> None:
        """List a database from shortly before a number on.

        Raises:
            CouchError: it can't be read.
        """
        listings = self._listings
        began = time.monotonic()
        listing = listings.open(database, number[:-_LAST_DIGITS], began)
        try:
            found, last = self._read(database, listing.first)
            listings.close(listing, found, last, began + self._life)
        except BaseException:
            listings.drop(listing)
            raise
        finally:
            with self._lock:
                self._listing.discard(database)

    def _read(self, database: str, first: str) -> tuple[list[str], str | None]:
        """The ids from `first` on, and up to where they are all; None for the end."""
        try:
            found = self._authority.identifiers(database, first, _ROWS)
        except NotFoundError:
            return [], None
        return found, found[-1] if len(found) >= _ROWS else None
