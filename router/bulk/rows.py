"""A row of a file, and what it asks for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from router.bulk.lines import Lines
from router.lifecycle.errors import NumberError
from router.lifecycle.operations import OperationRequest


class InvalidFileError(Exception):
    """The file as a whole can't be used; the message says what to do."""


class InvalidRowError(Exception):
    """One row can't be read; the others go on.

    Args:
        cause: what exactly, for programs: the column, or `malformed_row`.
        message: for people: what is wrong and what to do.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause

    def as_error(self) -> NumberError:
        """As the number manager tells of refusals."""
        return NumberError(400, "invalid", self.cause, str(self))


def too_long(limit: str = "a mebibyte") -> InvalidRowError:
    """A line that can't be read whole (see `router.bulk.lines`)."""
    return InvalidRowError("malformed_row", f"the line is longer than {limit}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        line: where it begins in its file, from 1.
        number: as it is written there; empty where it can't be read.
        ask: what it asks for; None where it can't be read.
        otherwise: asked instead, in order, where `ask` was to create a number that exists.
        error: why it can't be read.
        warnings: what is odd about it, though it is asked for.
        offset: bytes of the file up to its end.
        lines: how many lines of the file it takes.
    """

    line: int
    number: str
    ask: OperationRequest | None = None
    fallback: tuple[OperationRequest, ...] = ()
    error: NumberError | None = None
    offset: int = 0
    warnings: tuple[str, ...] = ()
    lines: int = 1


class Rows(Iterator[Row]):
    """The rows of a file, and an account of its lines.

    Args:
        rows: in the file's order.
        lines: where they are read from.

    Attributes:
        count: rows read.
    """

    def __init__(self, rows: Iterator[Row], lines: Lines) -> None:
        self._rows = rows
        self._lines = lines
        self._lines_of_rows = 0
        self.count = 0

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> Row:
        """Read one more row."""
        row = next(self._rows)
        self.count += 1
        self._lines_of_rows += row.lines
        return row

    @property
    def lines_read(self) -> int:
        """Lines of the file that were read."""
        return self._lines.number

    @property
    def lines_skipped(self) -> int:
        """Lines read that hold no row: the names of columns, empty lines, comments."""
        return self._lines.skipped

    @property
    def lines_unaccounted(self) -> int:
        """Lines read that belong to no row and were not passed over either; 0 at the end of every file."""
        return self.lines_read - self.lines_skipped - self._lines_of_rows
