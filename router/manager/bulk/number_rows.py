"""Files with a number a line: one operation for all of them."""

from typing import BinaryIO

from router.manager.bulk.lines import Lines
from router.manager.bulk.rows import Row, Rows
from router.numbers.fields import printable
from router.numbers.lifecycle.asks import Ask
from router.numbers.replacing import replace


def read(file: BinaryIO, ask: Ask) -> Rows:
    """Rows of a file with a number a line; empty lines and those that begin with `#` count for nothing.

    Args:
        file: it may hold anything: what is no number is refused as one, by itself.
        ask: what is asked of each.
    """
    lines = Lines(file)
    for line in lines:
        text = line.strip()
        if text and not text.startswith("#"):
            number = printable(text, 256)
            yield Row(lines.number, number, replace(ask, number=number), offset=lines.offset)
