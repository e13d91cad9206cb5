"""Carrying out the rows of a file: batches through the number manager, results in order, sure against a kill."""

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

from router.bulk.deferred_copy_writer import (
    MAX_PENDING_COPIES,
    DeferredCopyWriter,
    PendingCopies,
    RunProgress,
    StoreUnavailableError,
)
from router.bulk.journal import Journal
from router.bulk.recovery import no_op_request, read_request, was_carried_out, was_created
from router.bulk.results import Report, combined, invalid_row_result, recovered_outcome, result_of
from router.bulk.rows import Row
from router.bulk.windows import NOT_REPEATABLE, Window, WindowBuilder
from router.lifecycle.errors import UNAVAILABLE, NumberError
from router.lifecycle.operations import Operation, OperationRequest
from router.manager.outcomes import Outcome

log = logging.getLogger(__name__)

__all__ = ["BATCH", "IN_FLIGHT", "BulkRun", "NumberOperations", "RunProgress", "StoreUnavailableError"]

BATCH = 1000
IN_FLIGHT = 2
_BACKOFF = (0.5, 1, 2, 4, 8)
"""Seconds between tries while a store is away."""


class NumberOperations(Protocol):
    """The number manager, as far as a run needs it."""

    def carry_out(self, asks: Sequence[OperationRequest]) -> list[Outcome]:
        """Do what is asked; an outcome each, in order."""


class BulkRun:
    """One run over a file's rows.

    Args:
        manager: carries out.
        journal: takes the results.
        copies: those that `manager` leaves for later; None: it leaves none.
        normal: a number as all its spellings come to: two windows under way at a time never hold the same.
        watcher: told how far it is.
        batch: rows of a window.
        in_flight: windows under way at a time.
        most_copies: numbers whose account copies wait at a time.
    """

    def __init__(
        self,
        manager: NumberOperations,
        journal: Journal,
        *,
        copies: PendingCopies | None = None,
        normalise: Callable[[str], str] = str.strip,
        progress: RunProgress | None = None,
        batch: int = BATCH,
        in_flight: int = IN_FLIGHT,
        max_pending_copies: int = MAX_PENDING_COPIES,
    ) -> None:
        self._manager = manager
        self._journal = journal
        self._normalise = normalise
        self._progress = progress or RunProgress()
        self._copy_writer = DeferredCopyWriter(journal, copies, self._progress, _BACKOFF, max_pending_copies)
        self._size = batch
        self._in_flight = in_flight
        self._known_revisions = dict(journal.previous.revisions)

    def run(self, rows: Iterable[Row]) -> Report:
        """Carry out every row that has no result yet.

        Raises:
            StoreAway: a store is away for longer than some seconds.
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
                known = self._begin(window)
                pending.append(_PendingWindow(window, pool.submit(self._run_window, window, known)))
                self._copy_writer.write_if_due(report)
            while pending:
                self._record(pending.popleft(), report)
        self._copy_writer.write(report)

    def _begin(self, window: Window) -> Mapping[str, str]:
        """Note that a window's first wave is being done; returns the revisions before it, where they are needed."""
        first = window.waves[0] if window.waves else ()
        fresh = [window.rows[place] for place in first if place not in window.uncertain]
        uncertain = {_key(window.rows[place]) for place in window.uncertain}
        # Of rows that were begun before, what stood before counts, not what came of them.
        known = {key: self._known_revisions[key] for key in uncertain & self._known_revisions.keys()}
        if fresh or window.rows[-1].line > self._journal.previous.begun_to:
            rows = [row for row in fresh if row.ask is not None and row.ask.operation in NOT_REPEATABLE]
            try:
                known |= self._revisions(rows)
            except _StoreUnavailable as problem:
                line = window.rows[0].line
                raise StoreUnavailableError(
                    f"{problem}; stopped before line {line}; run it again to go on there"
                ) from None
            self._journal.begin(window.rows[-1].line, known or None)
        return known

    def _begin_wave(self, window: Window, wave: int, results: Sequence[Any]) -> Mapping[str, str]:
        """Note that a later wave is being done, and what came of the one before it; returns the revisions between.

        Raises:
            StoreAway: a store is away for longer than some seconds.
        """
        rows = [window.rows[place] for place in window.waves[wave]]
        for seconds in _BACKOFF:
            try:
                known = self._revisions(rows)
            except _StoreUnavailable as problem:
                log.warning("a store is away: %s", problem)
                time.sleep(seconds)
            else:
                early = [results[place] for place in window.waves[wave - 1]]
                self._journal.begin(window.rows[-1].line, known, early)
                return known
        raise StoreUnavailableError("a store can't be reached any more")

    def _record(self, pending: "_PendingWindow", report: Report) -> None:
        rows, results = pending.window.rows, pending.done.result()
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

    def _run_window(self, window: Window, known: Mapping[str, str]) -> list[Any]:
        """A result for each row; None for those that a store, being away, left undone."""
        early = self._journal.previous.early
        results: list[Any] = [_known_result(row, early) for row in window.rows]
        for wave, places in enumerate(window.waves):
            try:
                known = self._begin_wave(window, wave, results) if wave else known
            except StoreUnavailableError:
                break
            self._run_wave(window, wave, known, results)
            if any(results[place] is None for place in places):
                break
        return results

    def _run_wave(self, window: Window, wave: int, known: Mapping[str, str], results: list[Any]) -> None:
        """Give a result to each row of a wave, but for those that a store, being away, leaves undone."""
        left = list(window.waves[wave])
        uncertain = [place for place in left if place in window.uncertain]
        for seconds in _BACKOFF:
            try:
                done = set(uncertain) - set(self._recover(window.rows, uncertain, known, results))
                left = self._carry_out_rows(window.rows, [place for place in left if place not in done], results)
            except _StoreUnavailable as problem:
                log.warning("a store is away: %s", problem)
            if not left:
                return
            time.sleep(seconds)
            uncertain = left

    def _carry_out_rows(self, rows: Sequence[Row], places: list[int], results: list[Any]) -> list[int]:
        """Ask for rows; returns those that a store, being away, left undone."""
        unavailable = []
        with_fallback: list[int] = []
        for place, outcome in zip(places, self._outcomes(rows, places), strict=True):
            row = rows[place]
            if _is_unavailable(outcome.error):
                unavailable.append(place)
            elif outcome.error is not None and outcome.error.error == "number_exists" and row.fallback:
                with_fallback.append(place)
            else:
                results[place] = result_of(row, outcome)
        return unavailable + self._carry_out_fallbacks(rows, with_fallback, results)

    def _outcomes(self, rows: Sequence[Row], places: list[int]) -> list[Outcome]:
        asks = [ask for place in places if (ask := rows[place].ask) is not None]
        return self._manager.carry_out(asks) if asks else []

    def _carry_out_fallbacks(self, rows: Sequence[Row], places: list[int], results: list[Any]) -> list[int]:
        asks = [ask for place in places for ask in rows[place].fallback]
        outcomes = iter(self._manager.carry_out(asks) if asks else ())
        unavailable = []
        for place in places:
            result = combined(list(itertools.islice(outcomes, len(rows[place].fallback))))
            if _is_unavailable(result.error):
                unavailable.append(place)
            else:
                results[place] = result_of(rows[place], result)
        return unavailable

    def _recover(
        self, rows: Sequence[Row], places: list[int], known: Mapping[str, str], results: list[Any]
    ) -> list[int]:
        """Give a result to rows that were done already; returns the others."""
        asks = [ask for place in places if (ask := rows[place].ask) is not None]
        left: list[int] = []
        found: list[tuple[int, Outcome]] = []
        for place, ask, current in zip(places, asks, self._current(asks), strict=True):
            done = self._was_carried_out(rows[place], ask, current, known)
            if done is False:
                left.append(place)
                continue
            outcome = recovered_outcome(current, sure=bool(done))
            results[place] = result_of(rows[place], outcome, recovered=True)
            if current.document is not None:
                found.append((place, outcome))
        # Asked for nothing, the manager sees to what else follows a change: copies in accounts, and the cache.
        outcomes = self._manager.carry_out([no_op_request(outcome.number) for _, outcome in found]) if found else []
        for (place, outcome), after in zip(found, outcomes, strict=True):
            waits = replace(outcome, copies_deferred=after.copies_deferred, copies_of=after.copies_of)
            results[place] = result_of(rows[place], waits, recovered=True)
        return left

    def _was_carried_out(
        self, row: Row, ask: OperationRequest, current: Outcome, known: Mapping[str, str]
    ) -> bool | None:
        if ask.operation is Operation.CREATE:
            if row.fallback or current.document is None:
                return False  # doing it again comes to the same
            if known.get(_key(row)) == current.document.revision:
                return False
            return was_created(ask, current.document, self._journal.previous.started)
        before = known.get(_key(row))
        return False if before is None else was_carried_out(ask, current.document, before)

    def _revisions(self, rows: Sequence[Row]) -> dict[str, str]:
        """Return what stands before rows are done: `_key` → `_rev`, empty for no document.

        Raises:
            _Away: a store is away.
        """
        asks = {_key(row): row.ask for row in rows if row.ask is not None}
        return {
            key: each.document.revision if each.document is not None else ""
            for key, each in zip(asks, self._current(list(asks.values())), strict=True)
        }

    def _current(self, asks: Sequence[OperationRequest]) -> list[Outcome]:
        """What stands now of each ask's number."""
        outcomes = self._manager.carry_out([read_request(ask) for ask in asks]) if asks else []
        unavailable = next((each.error for each in outcomes if _is_unavailable(each.error)), None)
        if unavailable is not None:
            raise _StoreUnavailable(unavailable.message)
        return outcomes


@dataclass(frozen=True, slots=True)
class _PendingWindow:
    window: Window
    done: Future[list[Any]]


class _StoreUnavailable(Exception):
    """A store is away just now; the message is what it was."""


def _key(row: Row) -> str:
    """The name of a row in the journal's revisions: by its line, since a number may have several rows."""
    return str(row.line)


def _known_result(row: Row, early: Mapping[int, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The result of a row that needs no doing; None for all others."""
    if row.ask is None:
        return invalid_row_result(row)
    return {**early[row.line], "recovered": True} if row.line in early else None


def _is_unavailable(error: NumberError | None) -> bool:
    return error is not None and error.cause == UNAVAILABLE
