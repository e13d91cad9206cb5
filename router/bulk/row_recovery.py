"""Gives results to rows that an earlier run, or an earlier attempt, carried out without recording it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from router.bulk.availability import TransientStoreError, is_unavailable
from router.bulk.recovery import no_op_request, read_request, was_carried_out, was_created
from router.bulk.results import recovered_outcome, result_of
from router.bulk.rows import Row
from router.lifecycle.operations import Operation, OperationRequest
from router.manager.outcomes import Outcome


class NumberOperations(Protocol):
    """The part of the number manager that a run needs."""

    def carry_out(self, requests: Sequence[OperationRequest]) -> list[Outcome]:
        """Carry out operations; return their outcomes in order."""


class RowRecovery:
    """Compares rows with the documents of their numbers.

    Args:
        manager: reads the documents.
        started: Gregorian seconds when the first run began.
    """

    def __init__(self, manager: NumberOperations, started: int) -> None:
        self._manager = manager
        self._started = started

    def revisions(self, rows: Sequence[Row]) -> dict[str, str]:
        """Return `row_key` → current `_rev` of each row's number, empty for no document.

        Raises:
            TransientStoreError: a store is unavailable.
        """
        requests = {row_key(row): row.request for row in rows if row.request is not None}
        return {
            key: each.document.revision if each.document is not None else ""
            for key, each in zip(requests, self._current(list(requests.values())), strict=True)
        }

    def recover(
        self, rows: Sequence[Row], places: list[int], known: Mapping[str, str], results: list[Any]
    ) -> list[int]:
        """Fill in the results of rows that were carried out; return the places of the other rows.

        Args:
            rows: of the window.
            places: indexes of the rows to look at.
            known: `row_key` → `_rev` before the row ran.
            results: of the window.

        Raises:
            TransientStoreError: a store is unavailable.
        """
        requests = [request for place in places if (request := rows[place].request) is not None]
        left: list[int] = []
        recovered: list[tuple[int, Outcome]] = []
        for place, request, current in zip(places, requests, self._current(requests), strict=True):
            carried_out = self._was_carried_out(rows[place], request, current, known)
            if carried_out is False:
                left.append(place)
                continue
            outcome = recovered_outcome(current, sure=bool(carried_out))
            results[place] = result_of(rows[place], outcome, recovered=True)
            if current.document is not None:
                recovered.append((place, outcome))
        self._complete(rows, recovered, results)
        return left

    def _complete(self, rows: Sequence[Row], recovered: Sequence[tuple[int, Outcome]], results: list[Any]) -> None:
        """Repeat the effects that follow a write: an operation without a change writes copies and publishes."""
        requests = [no_op_request(outcome.number) for _, outcome in recovered]
        outcomes = self._manager.carry_out(requests) if requests else []
        for (place, outcome), after in zip(recovered, outcomes, strict=True):
            outcome = replace(outcome, copies_deferred=after.copies_deferred, copies_of=after.copies_of)  # noqa: PLW2901
            results[place] = result_of(rows[place], outcome, recovered=True)

    def _was_carried_out(
        self, row: Row, request: OperationRequest, current: Outcome, known: Mapping[str, str]
    ) -> bool | None:
        if request.operation is Operation.CREATE:
            if row.fallback or current.document is None:
                return False  # repeating it has the same effect
            if known.get(row_key(row)) == current.document.revision:
                return False
            return was_created(request, current.document, self._started)
        before = known.get(row_key(row))
        return False if before is None else was_carried_out(request, current.document, before)

    def _current(self, requests: Sequence[OperationRequest]) -> list[Outcome]:
        """Return the current document of each request's number."""
        outcomes = self._manager.carry_out([read_request(request) for request in requests]) if requests else []
        problem = next((each.error for each in outcomes if is_unavailable(each.error)), None)
        if problem is not None:
            raise TransientStoreError(problem.message)
        return outcomes


def row_key(row: Row) -> str:
    """Return a row's key in the journal's revisions: its line, since a number may have several rows."""
    return str(row.line)
