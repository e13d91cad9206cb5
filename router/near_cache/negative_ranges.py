"""Ranges without documents, from listings of ids: so a scan of unassigned numbers costs few reads.

A listing holds the numbers of a range that have documents: all others have none. It is valid as the near cache is: only
while the connection of the invalidations stands, and for no number that changed since before the listing was read. The
entry of a new document comes to Redis before its creator gets a response, so Redis reports its number.
"""

import math
import threading
import time
from collections.abc import Sequence

from router.numbers.shards import shard_for

_MOST = 128
"""Listings kept at a time; with a thousand ids each, some 15 MB."""


class NegativeRange:
    """Numbers of one database from `first` on.

    Attributes:
        last: up to here, itself included; None for all that follow.
        until: on the monotonic clock; nothing is believed of it before it was read.
    """

    __slots__ = ("database", "first", "last", "listed", "until")

    def __init__(self, database: str, first: str) -> None:
        self.database = database
        self.first = first
        self.last: str | None = None
        self.until = -math.inf
        self.listed: set[str] = set()

    @property
    def is_being_read(self) -> bool:
        """Return whether the listing is still being read, and must not be used yet."""
        return self.until == -math.inf

    def is_over(self, now: float) -> bool:
        """Return whether the listing has expired."""
        return -math.inf < self.until <= now

    def covers(self, number: str) -> bool:
        """Return whether the listing covers a number of its database."""
        return self.first <= number and (self.last is None or number <= self.last)


class NegativeRanges:
    """All listings; threads share them.

    Looking takes no lock: what is looked into is replaced as a whole, but for the ids of a listing, which only grow.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[NegativeRange, ...]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def open(self, database: str, first: str, now: float) -> NegativeRange:
        """Begin a listing; call before the database is read, so that what changes meanwhile is noticed."""
        made = NegativeRange(database, first)
        with self._lock:
            self._forget_old(now)
            self._kept[database] = (made, *self._kept.get(database, ()))
        return made

    def close(self, listing: NegativeRange, listed: Sequence[str], last: str | None, until: float) -> None:
        """Believe a listing until then: it was read, and holds these ids up to `last`."""
        listing.listed.update(listed)
        listing.last = last
        listing.until = until

    def drop(self, listing: NegativeRange) -> None:
        """Forget a listing that could not be read."""
        with self._lock:
            self._remove(listing)

    def is_absent(self, number: str, now: float) -> bool:
        """Return whether a number is known to have no document."""
        if not self._kept:
            return False
        for listing in self._kept.get(shard_for(number) or "", ()):
            if now < listing.until and listing.covers(number):
                return number not in listing.listed
        return False

    def changed(self, number: str) -> None:
        """Its key changed: from now on nothing is known of its absence."""
        database = shard_for(number) or ""
        if database not in self._kept:
            return
        now = time.monotonic()
        with self._lock:
            for listing in self._kept.get(database, ()):
                if listing.is_over(now):
                    self._remove(listing)  # else it would grow with every change until the next scan
                elif listing.covers(number):
                    listing.listed.add(number)

    def clear(self) -> None:
        """Forget everything; what is being read now is not believed either."""
        with self._lock:
            self._kept = {}

    def _forget_old(self, now: float) -> None:
        """Under the lock: those whose time is over, and the oldest where there are too many."""
        everything = [each for kept in self._kept.values() for each in kept]
        for each in everything:
            if each.is_over(now):
                self._remove(each)
        living = [each for each in everything if not each.is_over(now)]
        if len(living) >= _MOST:
            self._remove(min(living, key=lambda each: (each.is_being_read, each.until)))

    def _remove(self, listing: NegativeRange) -> None:
        rest = tuple(each for each in self._kept.get(listing.database, ()) if each is not listing)
        if rest:
            self._kept[listing.database] = rest
        else:
            self._kept.pop(listing.database, None)
