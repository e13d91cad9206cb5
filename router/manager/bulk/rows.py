"""A row of a file, and what it asks for."""

from collections.abc import Iterator
from dataclasses import dataclass

from router.numbers.lifecycle.asks import Ask
from router.numbers.lifecycle.errors import NumberError


class FileRefused(Exception):
    """The file as a whole can't be used; the message says what to do."""


class RowWrong(Exception):
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


def too_long() -> RowWrong:
    """A line that can't be read whole (see `router.manager.bulk.lines`)."""
    return RowWrong("malformed_row", "the line is longer than a mebibyte")


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
    """

    line: int
    number: str
    ask: Ask | None = None
    otherwise: tuple[Ask, ...] = ()
    error: NumberError | None = None
    offset: int = 0
    warnings: tuple[str, ...] = ()


Rows = Iterator[Row]
