"""Carrying out the rows of a file: batches through the number manager, results in order, sure against a kill."""

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from router.manager.bulk.journal import Journal
from router.manager.bulk.late import MOST, KeepsCopies, LateWriting, StoreAway, Watcher
from router.manager.bulk.recovery import looks_for, nothing_new, was_carried_out, was_created
from router.manager.bulk.results import Report, found_done, result_of, summed, unreadable
from router.manager.bulk.rows import Row
from router.manager.outcomes import Outcome
from router.numbers.lifecycle.asks import Ask, Operation
from router.numbers.lifecycle.errors import UNAVAILABLE, NumberError

log = logging.getLogger(__name__)

__all__ = ["BATCH", "IN_FLIGHT", "BulkRun", "CarriesOut", "StoreAway", "Watcher"]

BATCH = 1000
IN_FLIGHT = 2
_PAUSES = (0.5, 1, 2, 4, 8)
"""Seconds between tries while a store is away."""


class CarriesOut(Protocol):
    """The number manager, as far as a run needs it."""

    def carry_out(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Do what is asked; an outcome each, in order."""


class BulkRun:
    """One run over a file's rows.

    Args:
        manager: carries out.
        journal: takes the results.
        copies: those that `manager` leaves for later; None: it leaves none.
        normal: a number as all its spellings come to: two batches under way at a time never hold the same.
        watcher: told how far it is.
        batch: rows at a time.
        in_flight: batches under way at a time.
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

    def _carry_out(self, rows: Iterator[Row], report: Report) -> None:
        under_way: deque[_UnderWay] = deque()
        with ThreadPoolExecutor(self._in_flight, "bulk") as pool:
            for batch, numbers in self._batches(rows):
                while len(under_way) >= self._in_flight or any(each.numbers & numbers for each in under_way):
                    self._note(under_way.popleft(), report)
                known = self._begin(batch)
                under_way.append(_UnderWay(batch, numbers, pool.submit(self._do, batch, known)))
                self._late.write_if_due(report)
            while under_way:
                self._note(under_way.popleft(), report)
        self._late.write(report)

    def _batches(self, rows: Iterator[Row]) -> Iterator[tuple[list[Row], set[str]]]:
        """Rows to do at a time, and their numbers.

        After a kill the document tells whether a row was done, but not which of two: so a number's second row waits
        for the next batch, unless doing both once more comes to the same.
        """
        batch: list[Row] = []
        done: dict[str, Operation] = {}
        for row in rows:
            if row.ask is not None:
                number, operation = self._normal(row.number), row.ask.operation
                again = done.get(number)
                if again is not None and (again is not operation or operation in _NOT_REPEATABLE):
                    yield batch, set(done)
                    batch, done = [], {}
                done[number] = operation
            batch.append(row)
            if len(batch) == self._size:
                yield batch, set(done)
                batch, done = [], {}
        if batch:
            yield batch, set(done)

    def _begin(self, batch: Sequence[Row]) -> Mapping[str, str]:
        """Note that a batch is being done; returns the revisions that stood before, where they will be needed."""
        earlier = self._journal.earlier
        if batch[-1].line <= earlier.begun_to:
            return self._known_revisions
        known = self._revisions(batch)
        # Of rows that were begun before, what stood before counts, not what came of them.
        known |= {number: self._known_revisions[number] for number in known.keys() & self._known_revisions.keys()}
        self._journal.begin(batch[-1].line, known or None)
        return known

    def _note(self, batch: "_UnderWay", report: Report) -> None:
        results = batch.done.result()
        whole = list(itertools.takewhile(lambda result: result is not None, results))
        self._journal.results(whole)
        for result in whole:
            report.count(result)
        if whole:
            self._watcher.rows(len(whole), batch.rows[len(whole) - 1].offset)
        if len(whole) < len(results):
            line = batch.rows[len(whole)].line
            raise StoreAway(
                f"a store can't be reached any more: stopped before line {line}; run it again to go on there"
            )

    def _do(self, rows: Sequence[Row], known: Mapping[str, str]) -> list[Any]:
        """A result for each row; None for those that a store, being away, left undone."""
        results: list[Any] = [unreadable(row) if row.ask is None else None for row in rows]
        left = [place for place, row in enumerate(rows) if row.ask is not None]
        doubtful_to = self._journal.earlier.begun_to
        for pause in _PAUSES:
            try:
                doubtful = [place for place in left if rows[place].line <= doubtful_to]
                done = set(doubtful) - set(self._recover(rows, doubtful, known, results))
                left = self._ask(rows, [place for place in left if place not in done], results)
            except _Away as problem:
                log.warning("a store is away: %s", problem)
            if not left:
                break
            time.sleep(pause)
            doubtful_to = rows[-1].line
        return results

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
        found: list[Outcome] = []
        for place, ask, stands in zip(places, asks, self._standing(asks), strict=True):
            done = self._was_done(rows[place], ask, stands, known)
            if done is False:
                left.append(place)
                continue
            results[place] = result_of(rows[place], found_done(stands, sure=bool(done)), recovered=True)
            if stands.document is not None:
                found.append(stands)
        if found:
            # Asked for nothing, the manager sees to what else follows a change: copies in accounts, and the cache.
            self._manager.carry_out([nothing_new(stands.number) for stands in found])
        return left

    def _was_done(self, row: Row, ask: Ask, stands: Outcome, known: Mapping[str, str]) -> bool | None:
        if ask.operation is Operation.CREATE:
            if row.otherwise or stands.document is None:
                return False  # doing it again comes to the same
            return was_created(ask, stands.document, self._journal.earlier.started)
        before = known.get(row.number)
        return False if before is None else was_carried_out(ask, stands.document, before)

    def _revisions(self, batch: Sequence[Row]) -> dict[str, str]:
        """What stands before, for operations that done twice come to something else than done once."""
        asks = {row.number: row.ask for row in batch if row.ask is not None and row.ask.operation in _NOT_REPEATABLE}
        try:
            standing = self._standing(list(asks.values()))
        except _Away as problem:
            raise StoreAway(f"{problem}; stopped before line {batch[0].line}; run it again to go on there") from None
        return {
            number: each.document.revision if each.document is not None else ""
            for number, each in zip(asks, standing, strict=True)
        }

    def _standing(self, asks: Sequence[Ask]) -> list[Outcome]:
        """What stands now of each ask's number."""
        outcomes = self._manager.carry_out([looks_for(ask) for ask in asks]) if asks else []
        away = next((each.error for each in outcomes if _is_away(each.error)), None)
        if away is not None:
            raise _Away(away.message)
        return outcomes


@dataclass(frozen=True, slots=True)
class _UnderWay:
    rows: Sequence[Row]
    numbers: set[str]
    done: Future[list[Any]]


class _Away(Exception):
    """A store is away just now; the message is what it was."""


_NOT_REPEATABLE = (Operation.RELEASE, Operation.DELETE, Operation.RESERVE, Operation.MOVE)


def _is_away(error: NumberError | None) -> bool:
    return error is not None and error.cause == UNAVAILABLE
