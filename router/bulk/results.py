"""Results of rows, and their totals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router.bulk.rows import Row, Rows
from router.lifecycle.errors import NumberError
from router.manager.outcomes import Outcome

LATER = "later"
"""Value of a result's `copies`: a later `copies` line reports on its account copies."""

_SHOWN = 20


@dataclass(slots=True)
class Report:
    """Totals of a run.

    Attributes:
        rows: carried out or refused by this run.
        resumed_rows: with a result from an earlier run, which this one resumed.
        statuses: status → rows of this run.
        recovered: carried out before a kill and reported by this run.
        warnings: rows with warnings, and numbers whose account copies could not be written.
        errors: error → rows of this run.
        refused: the first refused results.
        seconds: duration.
        lines_read: lines of the file.
        lines_without_rows: header, blank lines and comments among them.
    """

    rows: int = 0
    resumed_rows: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    recovered: int = 0
    warnings: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    refused: list[Mapping[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    lines_read: int = 0
    lines_without_rows: int = 0

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds if self.seconds else 0.0

    def count(self, result: Mapping[str, Any]) -> None:
        """Add a result."""
        self.rows += 1
        _increment(self.statuses, result["status"])
        self.recovered += result.get("recovered") is True
        self.warnings += bool(result.get("warnings"))
        if result["status"] == "refused":
            _increment(self.errors, result["error"])
            if len(self.refused) < _SHOWN:
                self.refused.append(result)

    def count_failed_copies(self, numbers: Mapping[str, str]) -> None:
        """Add numbers whose account copies could not be written."""
        self.warnings += len(numbers)


def imbalance(report: Report, rows: Rows) -> str | None:
    """Return what does not add up once a file was read to its end, or None if everything does.

    Every line read belongs to a row or holds none, and every row has one result, from this run or an earlier one.
    """
    results = report.resumed_rows + sum(report.statuses.values())
    if not rows.lines_unaccounted and rows.count == results:
        return None
    return (
        f"{rows.lines_read:,} lines were read ({rows.lines_unaccounted:,} of them belong to no row), "
        f"{rows.count:,} rows found, {results:,} rows have a result: these do not add up: compare the file's lines "
        "with `row` in the results, and import those that are missing from a file of their own"
    )


def recovered_outcome(current: Outcome, *, sure: bool) -> Outcome:
    """Return the outcome of a row that was begun before a kill.

    Args:
        stands: the number as it was found.
        sure: False: another client changed the number too.
    """
    if sure:
        return Outcome(current.number, current.document, deleted=current.document is None)
    message = f"{current.number} was changed by others while this run was stopped: look at it"
    return Outcome(current.number, error=NumberError(409, "conflict", "changed_since", message))


def combined(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of a row's several operations: the first refusal, else the last outcome."""
    refused = next(
        (each for each in outcomes if each.error is not None and each.error.error != "no_change_required"), None
    )
    if refused is not None:
        return refused
    last = outcomes[-1]
    unchanged = all(each.unchanged or each.error is not None for each in outcomes)
    warnings = tuple(message for each in outcomes for message in each.warnings)
    copies_deferred = any(each.copies_deferred for each in outcomes)
    copies_of = tuple(dict.fromkeys(account for each in outcomes for account in each.copies_of))
    return Outcome(last.number, last.document, None, unchanged, last.deleted, warnings, copies_deferred, copies_of)


def invalid_row_result(row: Row) -> dict[str, Any]:
    """Return the result of an unreadable row."""
    return result_of(row, Outcome(row.number, error=row.error))


def result_of(row: Row, outcome: Outcome, *, recovered: bool = False) -> dict[str, Any]:
    """Return a row's result as it is written."""
    error = outcome.error
    document = outcome.document
    result: dict[str, Any] = {
        "row": row.line,
        "number": outcome.number,
        "status": _status(outcome),
        "error": error.error if error is not None else None,
        "cause": error.cause or None if error is not None else None,
        "message": error.message if error is not None else None,
        "revision": document.revision or None if document is not None and not outcome.deleted else None,
        "recovered": recovered,
        "copies": LATER if outcome.copies_deferred else None,
        "copies_of": list(outcome.copies_of) or None,
        "warnings": [*row.warnings, *outcome.warnings],
    }
    return result


def _status(outcome: Outcome) -> str:
    if outcome.error is not None:
        return "refused"
    if outcome.deleted:
        return "deleted"
    return "unchanged" if outcome.unchanged else "done"


def _increment(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
