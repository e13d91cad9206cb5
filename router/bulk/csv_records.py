"""CSV records out of lines: one that can't be read costs its first line alone, and reading goes on at the next."""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from router.bulk.columns import may_span_lines
from router.bulk.lines import Lines
from router.bulk.rows import InvalidRowError, too_long

LONGEST = 100
"""Lines that one record may span: what a quote without its end swallows is read again, line by line."""

_DIGITS_OF_A_NUMBER = re.compile(r"(\D*\d){3}")
"""The shortest numbers that a dial plan reads have three digits."""


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """One record.

    Attributes:
        line: where it begins, from 1.
        lines: how many lines it takes.
        offset: bytes of the file up to its end.
        cells: one for each column; those that could be made out where `problem` is set, perhaps none.
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
        lines: those below the first, which names the columns.
        columns: their names.
        separator: between cells.
    """

    def __init__(self, lines: Lines, columns: Sequence[str], separator: str) -> None:
        self._lines = _numbered(lines)
        self._columns = columns
        self._place = columns.index("e164")
        self._separator = separator
        self._again: deque[_Line] = deque()
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
                # Python's reader is at its end once it met the end of its lines.
                records = csv.reader(self._texts(), delimiter=self._separator, strict=True)
            else:
                yield self._record(cells)

    def _texts(self) -> Iterator[str]:
        """Yield lines to Python's reader, which asks for another one only while a quote is open."""
        while (line := self._next()) is not None:
            self._taken.append(line)
            if line.is_truncated:
                raise too_long()
            if len(self._taken) > 1:
                self._check_continuation(line)
            yield line.text

    def _next(self) -> _Line | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def _check_continuation(self, line: _Line) -> None:
        """Refuse what swallows other rows.

        Raises:
            RowWrong: the open cell's column holds no line ends, this line is a row by itself, or they are too many.
        """
        if len(self._taken) == 2:  # noqa: PLR2004 - the open cell is the first line's last one
            self._check_column(len(self._alone(self._taken[0].text)) - 1)
        cells = self._alone(line.text)
        if len(cells) == len(self._columns) and _DIGITS_OF_A_NUMBER.match(cells[self._place]):
            raise InvalidRowError(
                "malformed_row",
                f"a quote is opened here, and line {line.number}, a row by itself, would be inside of it: "
                "close the quote, or take it out",
            )
        if len(self._taken) > LONGEST:
            raise InvalidRowError(
                "malformed_row", f"a quote is opened and not closed within {LONGEST} lines: close it, or take it out"
            )

    def _check(self, cells: Sequence[str]) -> None:
        """Check what was read as a whole.

        Raises:
            RowWrong: cells are missing or too many, or one of them spans lines and must not.
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

    def _alone(self, text: str) -> list[str]:
        """Return a line's cells, as if nothing stood before or after it; all in one where they can't be told apart."""
        try:
            return next(csv.reader([text], delimiter=self._separator), [])
        except csv.Error:
            return [text]

    def _refused(self, problem: csv.Error | InvalidRowError) -> CsvRecord:
        if isinstance(problem, csv.Error):
            problem = _explained(problem)
        first, *others = self._taken
        self._again.extendleft(reversed(others))
        self._taken = [first]
        return replace(self._record(self._alone(first.text)), problem=problem)

    def _record(self, cells: Sequence[str]) -> CsvRecord:
        return CsvRecord(self._taken[0].number, len(self._taken), self._taken[-1].offset, cells)


def _explained(problem: csv.Error) -> InvalidRowError:
    """Return what Python's reader says, in words that tell what to do."""
    if "field limit" in str(problem):
        return InvalidRowError(
            "malformed_row", f"a cell has more than {csv.field_size_limit():,} characters: shorten it"
        )
    return InvalidRowError("malformed_row", f"this is not CSV: {problem}: quotes inside of quotes are doubled")


def _numbered(lines: Lines) -> Iterator[_Line]:
    for text in lines:
        is_truncated, lines.truncated = lines.truncated, False
        yield _Line(text, lines.number, lines.offset, is_truncated)
