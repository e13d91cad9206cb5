"""Account copies that a run leaves for later: when they are written, and what the journal says of them.

A result that says `"copies": "later"` promises nothing of its number's copies; the next `copies` line does. A run that
goes on takes up all those without one: they are written from the number documents as they stand then.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from router.bulk.journal import Journal
from router.bulk.results import Report
from router.couch.errors import CouchError

log = logging.getLogger(__name__)

MAX_PENDING_COPIES = 100_000
"""Numbers whose copies wait, a kilobyte each."""
MAX_COPY_DELAY = 60.0
"""Seconds that copies wait for more."""


class StoreUnavailableError(Exception):
    """A store can't be reached any more; what was done before has its results, and the run can go on later."""


class PendingCopies(Protocol):
    """Copies that wait (`router.manager.deferred_copies.LateCopies`), as far as a run needs them."""

    def __len__(self) -> int:
        """How many numbers' copies wait."""

    def resume(self, numbers: Mapping[str, Iterable[str]]) -> None:
        """Have these wait too, with accounts beside those that their documents name."""

    def write(self) -> Mapping[str, str]:
        """Write all that wait; number → why not. Raises CouchError where CouchDB is away."""


class RunProgress:
    """Told how far a run is; nothing by itself."""

    def skipped(self, rows: int) -> None:
        """So many rows have a result from an earlier run."""

    def rows(self, count: int, offset: int) -> None:
        """So many more rows have a result, and so many bytes of the file in all are done."""

    def copies(self, numbers: int) -> None:
        """Account copies of so many numbers are being written; 0: they are."""


class DeferredCopyWriter:
    """Writes them when enough wait, or have waited long enough.

    Args:
        copies: None: none are left for later.
        pauses: seconds between tries while CouchDB is away.
        most: numbers that wait.
    """

    def __init__(
        self,
        journal: Journal,
        copies: PendingCopies | None,
        progress: RunProgress,
        backoff: Iterable[float],
        max_pending: int = MAX_PENDING_COPIES,
    ) -> None:
        self._journal = journal
        self._copies = copies
        self._progress = progress
        self._backoff = backoff
        self._max_pending = max_pending
        self._last = time.monotonic()
        if copies is not None:
            copies.resume(journal.previous.waiting())

    def write_if_due(self, report: Report) -> None:
        """Write what waits, if it is much or old. Raises StoreAway."""
        if self._copies is None:
            return
        if len(self._copies) >= self._max_pending or time.monotonic() - self._last >= MAX_COPY_DELAY:
            self.write(report)

    def write(self, report: Report) -> None:
        """Write all that waits.

        Raises:
            StoreAway: CouchDB is away for longer than some seconds.
        """
        self._last = time.monotonic()
        if self._copies is None or not len(self._copies):
            return
        self._progress.copies(len(self._copies))
        failed_copies = self._written(self._copies)
        self._journal.copies(failed_copies)
        report.count_failed_copies(failed_copies)
        self._progress.copies(0)

    def _written(self, copies: PendingCopies) -> Mapping[str, str]:
        for seconds in self._backoff:
            try:
                return copies.write()
            except CouchError as problem:
                log.warning("account copies wait: %s", problem)
            time.sleep(seconds)
        raise StoreUnavailableError(
            "CouchDB can't be reached any more: account copies were not written; run it again to write them"
        )
