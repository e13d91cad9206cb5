"""Prints tables: an id is never cut in two, and outside a terminal no line is folded."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table


def show(table: Table, console: Console | None = None) -> None:
    """Print a table.

    On a terminal, cells fold between words at its width; a word, such as an id, stays whole even if the table becomes
    wider than the terminal. In a pipe or a file every row is one line, however wide.

    Args:
        console: standard output by default.
    """
    found = console or Console(highlight=False, markup=False, emoji=False)
    needed = Measurement.get(found, found.options.update(max_width=_WIDEST), table)
    found.width = max(found.width, needed.minimum) if found.is_terminal else needed.maximum
    found.print(table)


_WIDEST = 100_000
"""Columns available to a table when it is measured; none needs as many."""
