"""Carrying out the rows of a file: batches through the number manager, results in order, sure against a kill."""

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

from router.bulk.deferred_copy_writer import MOST, KeepsCopies, LateWriting, StoreAway, Watcher
from router.bulk.journal import Journal
from router.bulk.recovery import looks_for, nothing_new, was_carried_out, was_created
from router.bulk.results import Report, found_done, result_of, summed, unreadable
from router.bulk.rows import Row
from router.bulk.windows import NOT_REPEATABLE, Window, Windows
from router.lifecycle.errors import UNAVAILABLE, NumberError
from router.lifecycle.operations import Operation, OperationRequest
from router.manager.outcomes import Outcome

log = logging.getLogger(__name__)

__all__ = ["BATCH", "IN_FLIGHT", "BulkRun", "CarriesOut", "StoreAway", "Watcher"]

BATCH = 1000
IN_FLIGHT = 2
_PAUSES = (0.5, 1, 2, 4, 8)
"""Seconds between tries while a store is away."""


class CarriesOut(Protocol):
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
        manager: CarriesOut,
        journal: Journal,
        *,
        copies: KeepsCopies | None = None,
        normal: Callable[[str], str] = str.strip,
        watcher: Watcher | None = None,
        batch: int = BATCH,
        in_flight: int = IN_FLIGHT,
        most_copies: int = MOST,
    ) -> None:
        self._manager = manager
        self._journal = journal
        self._normal = normal
        self._watcher = watcher or Watcher()
        self._late = LateWriting(journal, copies, self._watcher, _PAUSES, most_copies)
        self._size = batch
        self._in_flight = in_flight
        self._known_revisions = dict(journal.earlier.revisions)

    def run(self, rows: Iterable[Row]) -> Report:
        """Carry out every row that has no result yet.

        Raises:
            StoreAway: a store is away for longer than some seconds.
        """
        began = time.monotonic()
        earlier = self._journal.earlier
        report = Report(resumed_rows=earlier.rows)
        self._watcher.skipped(earlier.rows)
        left = (row for row in rows if row.line > earlier.done_to)
        try:
            self._carry_out(left, report)
        finally:
            self._journal.close()
            report.seconds = time.monotonic() - began
        return report

    def _carry_out(self, rows: Iterable[Row], report: Report) -> None:
        earlier = self._journal.earlier
        windows = Windows(self._size, self._normal, earlier.begun_to, earlier.early)
        under_way: deque[_UnderWay] = deque()
        with ThreadPoolExecutor(self._in_flight, "bulk") as pool:
            for window in windows.of(rows):
                while len(under_way) >= self._in_flight or any(
                    each.window.numbers & window.numbers for each in under_way
                ):
                    self._note(under_way.popleft(), report)
                known = self._begin(window)
                under_way.append(_UnderWay(window, pool.submit(self._do, window, known)))
                self._late.write_if_due(report)
            while under_way:
                self._note(under_way.popleft(), report)
        self._late.write(report)

    def _begin(self, window: Window) -> Mapping[str, str]:
        """Note that a window's first wave is being done; returns the revisions before it, where they are needed."""
        first = window.waves[0] if window.waves else ()
        fresh = [window.rows[place] for place in first if place not in window.doubtful]
        doubtful = {_key(window.rows[place]) for place in window.doubtful}
        # Of rows that were begun before, what stood before counts, not what came of them.
        known = {key: self._known_revisions[key] for key in doubtful & self._known_revisions.keys()}
        if fresh or window.rows[-1].line > self._journal.earlier.begun_to:
            rows = [row for row in fresh if row.ask is not None and row.ask.operation in NOT_REPEATABLE]
            try:
                known |= self._revisions(rows)
            except _Away as problem:
                line = window.rows[0].line
                raise StoreAway(f"{problem}; stopped before line {line}; run it again to go on there") from None
            self._journal.begin(window.rows[-1].line, known or None)
        return known

    def _begin_wave(self, window: Window, wave: int, results: Sequence[Any]) -> Mapping[str, str]:
        """Note that a later wave is being done, and what came of the one before it; returns the revisions between.

        Raises:
            StoreAway: a store is away for longer than some seconds.
        """
        rows = [window.rows[place] for place in window.waves[wave]]
        for pause in _PAUSES:
            try:
                known = self._revisions(rows)
            except _Away as problem:
                log.warning("a store is away: %s", problem)
                time.sleep(pause)
            else:
                early = [results[place] for place in window.waves[wave - 1]]
                self._journal.begin(window.rows[-1].line, known, early)
                return known
        raise StoreAway("a store can't be reached any more")

    def _note(self, under_way: "_UnderWay", report: Report) -> None:
        rows, results = under_way.window.rows, under_way.done.result()
        whole = list(itertools.takewhile(lambda result: result is not None, results))
        self._journal.results(whole)
        for result in whole:
            report.count(result)
        if whole:
            self._watcher.rows(len(whole), rows[len(whole) - 1].offset)
        if len(whole) < len(results):
            line = rows[len(whole)].line
            raise StoreAway(
                f"a store can't be reached any more: stopped before line {line}; run it again to go on there"
            )

    def _do(self, window: Window, known: Mapping[str, str]) -> list[Any]:
        """A result for each row; None for those that a store, being away, left undone."""
        early = self._journal.earlier.early
        results: list[Any] = [_known_result(row, early) for row in window.rows]
        for wave, places in enumerate(window.waves):
            try:
                known = self._begin_wave(window, wave, results) if wave else known
            except StoreAway:
                break
            self._do_wave(window, wave, known, results)
            if any(results[place] is None for place in places):
                break
        return results

    def _do_wave(self, window: Window, wave: int, known: Mapping[str, str], results: list[Any]) -> None:
        """Give a result to each row of a wave, but for those that a store, being away, leaves undone."""
        left = list(window.waves[wave])
        doubtful = [place for place in left if place in window.doubtful]
        for pause in _PAUSES:
            try:
                done = set(doubtful) - set(self._recover(window.rows, doubtful, known, results))
                left = self._ask(window.rows, [place for place in left if place not in done], results)
            except _Away as problem:
                log.warning("a store is away: %s", problem)
            if not left:
                return
            time.sleep(pause)
            doubtful = left

    def _ask(self, rows: Sequence[Row], places: list[int], results: list[Any]) -> list[int]:
        """Ask for rows; returns those that a store, being away, left undone."""
        away = []
        instead: list[int] = []
        for place, outcome in zip(places, self._outcomes(rows, places), strict=True):
            row = rows[place]
            if _is_away(outcome.error):
                away.append(place)
            elif outcome.error is not None and outcome.error.error == "number_exists" and row.otherwise:
                instead.append(place)
            else:
                results[place] = result_of(row, outcome)
        return away + self._ask_instead(rows, instead, results)

    def _outcomes(self, rows: Sequence[Row], places: list[int]) -> list[Outcome]:
        asks = [ask for place in places if (ask := rows[place].ask) is not None]
        return self._manager.carry_out(asks) if asks else []

    def _ask_instead(self, rows: Sequence[Row], places: list[int], results: list[Any]) -> list[int]:
        asks = [ask for place in places for ask in rows[place].otherwise]
        outcomes = iter(self._manager.carry_out(asks) if asks else ())
        away = []
        for place in places:
            said = list(itertools.islice(outcomes, len(rows[place].otherwise)))
            told = summed(said)
            if _is_away(told.error):
                away.append(place)
            else:
                results[place] = result_of(rows[place], told)
        return away

    def _recover(
        self, rows: Sequence[Row], places: list[int], known: Mapping[str, str], results: list[Any]
    ) -> list[int]:
        """Give a result to rows that were done already; returns the others."""
        asks = [ask for place in places if (ask := rows[place].ask) is not None]
        left: list[int] = []
        found: list[tuple[int, Outcome]] = []
        for place, ask, stands in zip(places, asks, self._standing(asks), strict=True):
            done = self._was_done(rows[place], ask, stands, known)
            if done is False:
                left.append(place)
                continue
            outcome = found_done(stands, sure=bool(done))
            results[place] = result_of(rows[place], outcome, recovered=True)
            if stands.document is not None:
                found.append((place, outcome))
        # Asked for nothing, the manager sees to what else follows a change: copies in accounts, and the cache.
        seen = self._manager.carry_out([nothing_new(outcome.number) for _, outcome in found]) if found else []
        for (place, outcome), after in zip(found, seen, strict=True):
            waits = replace(outcome, copies_wait=after.copies_wait, copies_of=after.copies_of)
            results[place] = result_of(rows[place], waits, recovered=True)
        return left

    def _was_done(self, row: Row, ask: OperationRequest, stands: Outcome, known: Mapping[str, str]) -> bool | None:
        if ask.operation is Operation.CREATE:
            if row.otherwise or stands.document is None:
                return False  # doing it again comes to the same
            if known.get(_key(row)) == stands.document.revision:
                return False
            return was_created(ask, stands.document, self._journal.earlier.started)
        before = known.get(_key(row))
        return False if before is None else was_carried_out(ask, stands.document, before)

    def _revisions(self, rows: Sequence[Row]) -> dict[str, str]:
        """Return what stands before rows are done: `_key` → `_rev`, empty for no document.

        Raises:
            _Away: a store is away.
        """
        asks = {_key(row): row.ask for row in rows if row.ask is not None}
        return {
            key: each.document.revision if each.document is not None else ""
            for key, each in zip(asks, self._standing(list(asks.values())), strict=True)
        }

    def _standing(self, asks: Sequence[OperationRequest]) -> list[Outcome]:
        """What stands now of each ask's number."""
        outcomes = self._manager.carry_out([looks_for(ask) for ask in asks]) if asks else []
        away = next((each.error for each in outcomes if _is_away(each.error)), None)
        if away is not None:
            raise _Away(away.message)
        return outcomes


@dataclass(frozen=True, slots=True)
class _UnderWay:
    window: Window
    done: Future[list[Any]]


class _Away(Exception):
    """A store is away just now; the message is what it was."""


def _key(row: Row) -> str:
    """The name of a row in the journal's revisions: by its line, since a number may have several rows."""
    return str(row.line)


def _known_result(row: Row, early: Mapping[int, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The result of a row that needs no doing; None for all others."""
    if row.ask is None:
        return unreadable(row)
    return {**early[row.line], "recovered": True} if row.line in early else None


def _is_away(error: NumberError | None) -> bool:
    return error is not None and error.cause == UNAVAILABLE
