"""Carries out one window of rows, wave by wave."""

import itertools
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from router.bulk import availability
from router.bulk.availability import StoreUnavailableError, TransientStoreError, is_unavailable
from router.bulk.journal import Journal
from router.bulk.results import combined, invalid_row_result, result_of
from router.bulk.row_recovery import NumberOperations, RowRecovery, row_key
from router.bulk.rows import Row
from router.bulk.windows import NOT_REPEATABLE, Window
from router.manager.outcomes import Outcome

log = logging.getLogger(__name__)


class WindowRunner:
    """Carries out windows. Thread-safe.

    Args:
        manager: carries the rows out.
        journal: records each wave before it runs.
    """

    def __init__(self, manager: NumberOperations, journal: Journal) -> None:
        self._manager = manager
        self._journal = journal
        self._recovery = RowRecovery(manager, journal.previous.started)
        self._known_revisions = dict(journal.previous.revisions)

    def begin(self, window: Window) -> Mapping[str, str]:
        """Record that a window's first wave is about to run.

        Returns:
            `row_key` → `_rev` of the number before the row runs, for rows that need it.

        Raises:
            StoreUnavailableError: a store is unavailable.
        """
        first = window.waves[0] if window.waves else ()
        fresh = [window.rows[place] for place in first if place not in window.uncertain]
        uncertain = {row_key(window.rows[place]) for place in window.uncertain}
        # A row that an earlier run began is compared with the revision before that run, not with the current one.
        known = {key: self._known_revisions[key] for key in uncertain & self._known_revisions.keys()}
        if fresh or window.rows[-1].line > self._journal.previous.begun_to:
            rows = [row for row in fresh if row.request is not None and row.request.operation in NOT_REPEATABLE]
            try:
                known |= self._recovery.revisions(rows)
            except TransientStoreError as problem:
                line = window.rows[0].line
                raise StoreUnavailableError(
                    f"{problem}; stopped before line {line}; run it again to go on there"
                ) from None
            self._journal.begin(window.rows[-1].line, known or None)
        return known

    def run(self, window: Window, known: Mapping[str, str]) -> list[Any]:
        """Carry out a window.

        Args:
            known: the return value of `begin`.

        Returns:
            A result per row, None for rows left undone because a store is unavailable.
        """
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

    def _begin_wave(self, window: Window, wave: int, results: Sequence[Any]) -> Mapping[str, str]:
        """Record a later wave with the results of the wave before it; return the revisions between them.

        Raises:
            StoreUnavailableError: a store stays unavailable for some seconds.
        """
        rows = [window.rows[place] for place in window.waves[wave]]
        for seconds in availability.BACKOFF:
            try:
                known = self._recovery.revisions(rows)
            except TransientStoreError as problem:
                log.warning("store unavailable: retry_in=%s error=%s", seconds, problem)
                time.sleep(seconds)
            else:
                early = [results[place] for place in window.waves[wave - 1]]
                self._journal.begin(window.rows[-1].line, known, early)
                return known
        raise StoreUnavailableError("a store can't be reached any more")

    def _run_wave(self, window: Window, wave: int, known: Mapping[str, str], results: list[Any]) -> None:
        """Fill in the results of a wave's rows, apart from rows left undone because a store is unavailable."""
        left = list(window.waves[wave])
        uncertain = [place for place in left if place in window.uncertain]
        for seconds in availability.BACKOFF:
            try:
                done = set(uncertain) - set(self._recovery.recover(window.rows, uncertain, known, results))
                left = self._carry_out(window.rows, [place for place in left if place not in done], results)
            except TransientStoreError as problem:
                log.warning("store unavailable: retry_in=%s error=%s", seconds, problem)
            if not left:
                return
            time.sleep(seconds)
            uncertain = left

    def _carry_out(self, rows: Sequence[Row], places: list[int], results: list[Any]) -> list[int]:
        """Carry out rows; return the places of rows left undone because a store is unavailable."""
        undone = []
        with_fallback: list[int] = []
        for place, outcome in zip(places, self._outcomes(rows, places), strict=True):
            row = rows[place]
            if is_unavailable(outcome.error):
                undone.append(place)
            elif outcome.error is not None and outcome.error.error == "number_exists" and row.fallback:
                with_fallback.append(place)
            else:
                results[place] = result_of(row, outcome)
        return undone + self._carry_out_fallbacks(rows, with_fallback, results)

    def _outcomes(self, rows: Sequence[Row], places: list[int]) -> list[Outcome]:
        requests = [request for place in places if (request := rows[place].request) is not None]
        return self._manager.carry_out(requests) if requests else []

    def _carry_out_fallbacks(self, rows: Sequence[Row], places: list[int], results: list[Any]) -> list[int]:
        requests = [request for place in places for request in rows[place].fallback]
        outcomes = iter(self._manager.carry_out(requests) if requests else ())
        undone = []
        for place in places:
            outcome = combined(list(itertools.islice(outcomes, len(rows[place].fallback))))
            if is_unavailable(outcome.error):
                undone.append(place)
            else:
                results[place] = result_of(rows[place], outcome)
        return undone


def _known_result(row: Row, early: Mapping[int, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the result of a row that needs no work, or None."""
    if row.request is None:
        return invalid_row_result(row)
    return {**early[row.line], "recovered": True} if row.line in early else None
