"""Rows of files with a number per line, and one operation for all of them."""

from collections.abc import Iterator
from typing import BinaryIO

from router.bulk.lines import Lines
from router.bulk.rows import Row, Rows, too_long
from router.lifecycle.operations import OperationRequest
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import printable


def read(file: BinaryIO, request: OperationRequest) -> Rows:
    """Read the rows of a file with a number per line; blank lines and lines that begin with `#` are skipped.

    Args:
        file: may hold anything; text that is no number is refused by itself.
        request: the request for each number.
    """
    lines = Lines(file)
    return Rows(_rows(lines, request), lines)


def _rows(lines: Lines, request: OperationRequest) -> Iterator[Row]:
    for line in lines:
        text, is_truncated, lines.truncated = line.strip(), lines.truncated, False
        if text.startswith("#") or not (text or is_truncated):
            lines.skipped += 1
            continue
        number = printable(text, 256)
        if is_truncated:
            yield Row(lines.number, number, error=too_long().as_error(), offset=lines.offset)
        else:
            yield Row(lines.number, number, fast_replace(request, number=number), offset=lines.offset)
