"""Account copies that a run defers: when they are written, and their lines in the journal.

A result with `"copies": "later"` says nothing about its number's copies; the next `copies` line does. A resumed run
takes over all deferred copies without such a line, and writes them from the current number documents.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from router.bulk import availability
from router.bulk.availability import StoreUnavailableError
from router.bulk.journal import Journal
from router.bulk.results import Report
from router.couch.errors import CouchError

log = logging.getLogger(__name__)

MAX_PENDING_COPIES = 100_000
"""Numbers with pending copies, about a kilobyte each."""
MAX_COPY_DELAY = 60.0
"""Seconds until pending copies are written even if they are few."""


class PendingCopies(Protocol):
    """The part of `router.manager.deferred_copies.DeferredCopies` that a run needs."""

    def __len__(self) -> int:
        """Return how many numbers have pending copies."""

    def resume(self, numbers: Mapping[str, Iterable[str]]) -> None:
        """Add these numbers, with accounts besides those that their documents name."""

    def write(self) -> Mapping[str, str]:
        """Write all pending copies; return number → failure. Raises CouchError if CouchDB is unavailable."""


class RunProgress:
    """Receives a run's progress; this base class ignores it."""

    def skipped(self, rows: int) -> None:
        """Report rows that have a result from an earlier run."""

    def rows(self, count: int, offset: int) -> None:
        """Report further rows with a result, and the file's bytes done in total."""

    def copies(self, numbers: int) -> None:
        """Report that account copies of this many numbers are being written; 0: none any more."""


class DeferredCopyWriter:
    """Writes pending copies once they are many or old.

    Args:
        copies: None: none are deferred.
        max_pending: numbers with pending copies.
    """

    def __init__(
        self,
        journal: Journal,
        copies: PendingCopies | None,
        progress: RunProgress,
        max_pending: int = MAX_PENDING_COPIES,
    ) -> None:
        self._journal = journal
        self._copies = copies
        self._progress = progress
        self._max_pending = max_pending
        self._last = time.monotonic()
        if copies is not None:
            copies.resume(journal.previous.pending_copies())

    def write_if_due(self, report: Report) -> None:
        """Write pending copies if they are many or old. Raises StoreUnavailableError."""
        if self._copies is None:
            return
        if len(self._copies) >= self._max_pending or time.monotonic() - self._last >= MAX_COPY_DELAY:
            self.write(report)

    def write(self, report: Report) -> None:
        """Write all pending copies.

        Raises:
            StoreUnavailableError: CouchDB stays unavailable for some seconds.
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
        for seconds in availability.BACKOFF:
            try:
                return copies.write()
            except CouchError as problem:
                log.warning("account copies not written: retry_in=%s error=%s", seconds, problem)
            time.sleep(seconds)
        raise StoreUnavailableError(
            "CouchDB can't be reached any more: account copies were not written; run it again to write them"
        )
