"""The state of an earlier run, read back from its results file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import orjson

from router.bulk.journal_header import MAX_HEADER_BYTES, Header, check_header
from router.bulk.results import LATER
from router.bulk.rows import InvalidFileError


@dataclass(slots=True)
class PreviousRun:
    """The state that an earlier run left behind.

    Attributes:
        done_to: line of the last row that has a result; 0: none.
        started: Gregorian seconds when the first run began.
        begun: per window without all results, its last line, and row → `_rev` of its number before the row ran
            (empty: no document).
        statuses: status → results.
        copies_deferred: numbers whose account copies were deferred and not written since, with accounts that their
            documents may no longer name.
        early: row → result, for rows that were carried out and have no result line yet.
    """

    done_to: int = 0
    started: int = 0
    begun: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    copies_deferred: dict[str, list[str]] = field(default_factory=dict)
    early: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def begun_to(self) -> int:
        """The line of the last row that was begun; 0: none."""
        return max((line for line, _ in self.begun), default=0)

    @property
    def revisions(self) -> dict[str, str]:
        """Row → `_rev` of its number before the row was begun, for rows that may have no result."""
        return {row: revision for _, known in self.begun for row, revision in known.items()}

    @property
    def rows(self) -> int:
        """The number of results."""
        return sum(self.statuses.values())

    def pending_copies(self) -> dict[str, list[str]]:
        """Return `copies_deferred`, with the numbers of early results."""
        pending = {number: list(accounts) for number, accounts in self.copies_deferred.items()}
        for result in self.early.values():
            _add_deferred(pending, result)
        return pending

    def add_line(self, line: Mapping[str, Any]) -> bool:
        """Apply a line of the results file; return False if no run can have written it."""
        if "begun" in line:
            return self._add_begun(line)
        if "row" not in line and "copies" in line:
            self.copies_deferred.clear()
            return True
        return self._add_result(line)

    def _add_begun(self, line: Mapping[str, Any]) -> bool:
        last, revisions, early = line["begun"], line.get("revisions", {}), line.get("early", [])
        if not _is_line_number(last) or not isinstance(revisions, dict) or not _are_texts(revisions.values()):
            return False
        if not isinstance(early, list) or not all(self._is_new_result(each) for each in early):
            return False
        self.early |= {each["row"]: each for each in early}
        self.begun = [each for each in self.begun if each[0] > self.done_to]
        self.begun.append((last, revisions))
        return True

    def _add_result(self, line: Mapping[str, Any]) -> bool:
        if not self._is_new_result(line):
            return False
        row, status = line["row"], line["status"]
        self.done_to = row
        self.early.pop(row, None)
        _add_deferred(self.copies_deferred, line)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        return True

    def _is_new_result(self, value: object) -> bool:
        """Return whether this is a result of a row that has none yet.

        Results stand in the order of the input. A row out of order would let rows before it run twice, or never.
        """
        if not isinstance(value, Mapping):
            return False
        row, accounts = value.get("row"), value.get("copies_of")
        return (
            _is_line_number(row)
            and row > self.done_to
            and isinstance(value.get("number", ""), str)
            and isinstance(value.get("status"), str)
            and (accounts is None or (isinstance(accounts, list) and _are_texts(accounts)))
        )


def read_previous_run(path: Path, header: Header) -> tuple[PreviousRun, int]:
    """Read a results file.

    Returns:
        The earlier run's state, and the file's bytes up to the end of its last complete line.

    Raises:
        InvalidFileError: the file belongs to another run, or has a line that no run can have written.
    """
    with path.open("rb") as file:
        first = file.readline(MAX_HEADER_BYTES)
        previous = PreviousRun(started=check_header(first, path, header))
        end = len(first)
        for line in file:
            if not line.endswith(b"\n"):
                break
            if not previous.add_line(_decoded(line)):
                raise InvalidFileError(f"{path} has a line that no run wrote: name another --output, or remove it")
            end += len(line)
    return previous, end


def _decoded(line: bytes) -> Mapping[str, Any]:
    """Return a line's object; an empty one, which no run writes, for anything else."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _add_deferred(pending: dict[str, list[str]], result: Mapping[str, Any]) -> None:
    """Add a result's number if its account copies were deferred."""
    if result.get("copies") == LATER:
        accounts = pending.setdefault(result.get("number", ""), [])
        accounts += [each for each in result.get("copies_of") or () if each not in accounts]


def _is_line_number(value: object) -> TypeGuard[int]:
    return type(value) is int and value > 0


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(each, str) for each in values)
