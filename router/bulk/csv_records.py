"""Reads CSV records from lines. An unreadable record costs its first line only; reading goes on at the next line."""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from router.bulk.columns import may_span_lines
from router.bulk.lines import Lines
from router.bulk.rows import InvalidRowError, too_long

MAX_RECORD_LINES = 100
"""Lines per record: the lines behind an unclosed quote are read again, one by one."""

_NUMBER_START = re.compile(r"(\D*\d){3}")
"""The shortest number that a dial plan accepts has three digits."""


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """One record.

    Attributes:
        line: its first line, from 1.
        lines: count of its lines.
        offset: bytes of the file up to its end.
        cells: one per column; if `problem` is set, the readable ones, perhaps none.
        problem: why it can't be read.
    """

    line: int
    lines: int
    offset: int
    cells: Sequence[str]
    problem: InvalidRowError | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    number: int
    offset: int
    is_truncated: bool


class CsvRecords:
    """Reads records.

    Args:
        lines: the lines below the header.
        columns: names from the header.
        separator: between cells.
    """

    def __init__(self, lines: Lines, columns: Sequence[str], separator: str) -> None:
        self._lines = _numbered(lines)
        self._columns = columns
        self._place = columns.index("e164")
        self._separator = separator
        self._requeued: deque[_Line] = deque()
        self._taken: list[_Line] = []

    def __iter__(self) -> Iterator[CsvRecord]:
        """Yield each record; blank lines are records without cells."""
        records = csv.reader(self._texts(), delimiter=self._separator, strict=True)
        while True:
            self._taken.clear()
            try:
                cells = next(records)
                self._check(cells)
            except StopIteration:
                return
            except (csv.Error, InvalidRowError) as problem:
                yield self._refused(problem)
                # Python's reader can't go on after an error.
                records = csv.reader(self._texts(), delimiter=self._separator, strict=True)
            else:
                yield self._record(cells)

    def _texts(self) -> Iterator[str]:
        """Yield lines to Python's reader, which asks for another line only while a quote is open."""
        while (line := self._next()) is not None:
            self._taken.append(line)
            if line.is_truncated:
                raise too_long()
            if len(self._taken) > 1:
                self._check_continuation(line)
            yield line.text

    def _next(self) -> _Line | None:
        return self._requeued.popleft() if self._requeued else next(self._lines, None)

    def _check_continuation(self, line: _Line) -> None:
        """Refuse a record that swallows other rows.

        Raises:
            InvalidRowError: the open cell's column holds no line ends, this line is a row of its own, or the
                record is too long.
        """
        if len(self._taken) == 2:  # noqa: PLR2004 - the open cell is the first line's last one
            self._check_column(len(self._cells_of_line(self._taken[0].text)) - 1)
        cells = self._cells_of_line(line.text)
        if len(cells) == len(self._columns) and _NUMBER_START.match(cells[self._place]):
            raise InvalidRowError(
                "malformed_row",
                f"a quote is opened here, and line {line.number}, a row by itself, would be inside of it: "
                "close the quote, or take it out",
            )
        if len(self._taken) > MAX_RECORD_LINES:
            raise InvalidRowError(
                "malformed_row",
                f"a quote is opened and not closed within {MAX_RECORD_LINES} lines: close it, or take it out",
            )

    def _check(self, cells: Sequence[str]) -> None:
        """Check a complete record.

        Raises:
            InvalidRowError: cells are missing or superfluous, or a single-line cell spans lines.
        """
        if len(self._taken) > 1:
            for place, cell in enumerate(cells):
                if "\n" in cell:
                    self._check_column(place)
        if any(map(str.strip, cells)) and len(cells) != len(self._columns):
            raise InvalidRowError(
                "malformed_row", f"it has {len(cells)} cells where the first line names {len(self._columns)} columns"
            )

    def _check_column(self, place: int) -> None:
        name = self._columns[place] if place < len(self._columns) else f"cell {place + 1}"
        if not may_span_lines(name):
            raise InvalidRowError(
                "malformed_row",
                f"{name} would go on in the next line, which it never does: close the quote, or take it out",
            )

    def _cells_of_line(self, text: str) -> list[str]:
        """Return a line's cells without its neighbours; one cell if they can't be separated."""
        try:
            return next(csv.reader([text], delimiter=self._separator), [])
        except csv.Error:
            return [text]

    def _refused(self, problem: csv.Error | InvalidRowError) -> CsvRecord:
        if isinstance(problem, csv.Error):
            problem = _as_row_error(problem)
        first, *rest = self._taken
        self._requeued.extendleft(reversed(rest))
        self._taken = [first]
        return replace(self._record(self._cells_of_line(first.text)), problem=problem)

    def _record(self, cells: Sequence[str]) -> CsvRecord:
        return CsvRecord(self._taken[0].number, len(self._taken), self._taken[-1].offset, cells)


def _as_row_error(problem: csv.Error) -> InvalidRowError:
    """Return the error of Python's reader with the remedy."""
    if "field limit" in str(problem):
        return InvalidRowError(
            "malformed_row", f"a cell has more than {csv.field_size_limit():,} characters: shorten it"
        )
    return InvalidRowError("malformed_row", f"this is not CSV: {problem}: quotes inside of quotes are doubled")


def _numbered(lines: Lines) -> Iterator[_Line]:
    for text in lines:
        is_truncated, lines.truncated = lines.truncated, False
        yield _Line(text, lines.number, lines.offset, is_truncated)
