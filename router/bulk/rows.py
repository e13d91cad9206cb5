"""A row of a file and its operations."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from router.bulk.lines import Lines
from router.lifecycle.errors import NumberError
from router.lifecycle.operations import OperationRequest


class InvalidFileError(Exception):
    """The whole file can't be used; the message says what to do."""


class InvalidRowError(Exception):
    """A row that can't be read; the other rows go on.

    Args:
        cause: for programs: the column, or `malformed_row`.
        message: for people: the fault and the remedy.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause

    def as_error(self) -> NumberError:
        """Return the error as the number manager reports refusals."""
        return NumberError(400, "invalid", self.cause, str(self))


def too_long(limit: str = "a mebibyte") -> InvalidRowError:
    """Return the error for a line that is too long to be read (see `router.bulk.lines`)."""
    return InvalidRowError("malformed_row", f"the line is longer than {limit}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        line: its first line in the file, from 1.
        number: as written there; empty: unreadable.
        request: its operation; None: the row is unreadable.
        fallback: operations to run instead, in order, if `request` would create an existing number.
        error: why the row is unreadable.
        warnings: oddities of a readable row.
        offset: bytes of the file up to its end.
        lines: count of its lines.
    """

    line: int
    number: str
    request: OperationRequest | None = None
    fallback: tuple[OperationRequest, ...] = ()
    error: NumberError | None = None
    offset: int = 0
    warnings: tuple[str, ...] = ()
    lines: int = 1


class Rows(Iterator[Row]):
    """The rows of a file, with an account of its lines.

    Args:
        rows: in the file's order.
        lines: their source.

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
        """Return the next row."""
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
        """Lines without a row: header, blank lines, comments."""
        return self._lines.skipped

    @property
    def lines_unaccounted(self) -> int:
        """Lines that neither belong to a row nor were skipped; 0 at the end of every file."""
        return self.lines_read - self.lines_skipped - self._lines_of_rows
