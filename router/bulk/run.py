"""Carries out the rows of a file: windows through the number manager, results in order, resumable after a kill."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from router.bulk.availability import StoreUnavailableError
from router.bulk.deferred_copy_writer import MAX_PENDING_COPIES, DeferredCopyWriter, PendingCopies, RunProgress
from router.bulk.journal import Journal
from router.bulk.results import Report
from router.bulk.row_recovery import NumberOperations
from router.bulk.rows import Row
from router.bulk.window_runner import WindowRunner
from router.bulk.windows import Window, WindowBuilder

WINDOW_SIZE = 1000
"""Rows per window."""
_CONCURRENT_WINDOWS = 2
"""Windows in progress: CouchDB writes one while the next is decided."""


class BulkRun:
    """One run over a file's rows.

    Args:
        manager: carries the rows out.
        journal: receives the results.
        copies: the copies that `manager` defers; None: it defers none.
        normalise: number → a form that all its spellings share: no two windows in progress hold the same number.
        progress: receives the run's progress.
        batch: rows per window.
        in_flight: windows in progress.
        max_pending_copies: numbers with pending account copies.
    """

    def __init__(
        self,
        manager: NumberOperations,
        journal: Journal,
        *,
        copies: PendingCopies | None = None,
        normalise: Callable[[str], str] = str.strip,
        progress: RunProgress | None = None,
        batch: int = WINDOW_SIZE,
        in_flight: int = _CONCURRENT_WINDOWS,
        max_pending_copies: int = MAX_PENDING_COPIES,
    ) -> None:
        self._journal = journal
        self._normalise = normalise
        self._progress = progress or RunProgress()
        self._copy_writer = DeferredCopyWriter(journal, copies, self._progress, max_pending_copies)
        self._size = batch
        self._in_flight = in_flight
        self._runner = WindowRunner(manager, journal)

    def run(self, rows: Iterable[Row]) -> Report:
        """Carry out every row that has no result yet.

        Raises:
            StoreUnavailableError: a store stays unavailable for some seconds.
        """
        began = time.monotonic()
        previous = self._journal.previous
        report = Report(resumed_rows=previous.rows)
        self._progress.skipped(previous.rows)
        left = (row for row in rows if row.line > previous.done_to)
        try:
            self._carry_out(left, report)
        finally:
            self._journal.close()
            report.seconds = time.monotonic() - began
        return report

    def _carry_out(self, rows: Iterable[Row], report: Report) -> None:
        previous = self._journal.previous
        windows = WindowBuilder(self._size, self._normalise, previous.begun_to, previous.early)
        pending: deque[_PendingWindow] = deque()
        with ThreadPoolExecutor(self._in_flight, "bulk") as pool:
            for window in windows.of(rows):
                while len(pending) >= self._in_flight or any(each.window.numbers & window.numbers for each in pending):
                    self._record(pending.popleft(), report)
                known = self._runner.begin(window)
                pending.append(_PendingWindow(window, pool.submit(self._runner.run, window, known)))
                self._copy_writer.write_if_due(report)
            while pending:
                self._record(pending.popleft(), report)
        self._copy_writer.write(report)

    def _record(self, pending: "_PendingWindow", report: Report) -> None:
        """Write a window's results up to the first row without one.

        Raises:
            StoreUnavailableError: a row has no result.
        """
        rows, results = pending.window.rows, pending.results.result()
        finished = list(itertools.takewhile(lambda result: result is not None, results))
        self._journal.results(finished)
        for result in finished:
            report.count(result)
        if finished:
            self._progress.rows(len(finished), rows[len(finished) - 1].offset)
        if len(finished) < len(results):
            line = rows[len(finished)].line
            raise StoreUnavailableError(
                f"a store can't be reached any more: stopped before line {line}; run it again to go on there"
            )


@dataclass(frozen=True, slots=True)
class _PendingWindow:
    window: Window
    results: Future[list[Any]]
