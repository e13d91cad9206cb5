"""Tables keep ids whole, on terminals of any width and in pipes."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from router.cli import tables

ACCOUNT = "248589d1a014a5a0f4340741da802c94"
REVISION = "1-deb1c1bff2c5e0f020952ba08bf24719"


def shown(*, width: int, terminal: bool) -> list[str]:
    table = Table(show_header=True, box=None, pad_edge=False)
    for title in ("step", "says", "version"):
        table.add_column(title, overflow="fold")
    table.add_row("Redis", f"routes to account {ACCOUNT} in the state in_service", REVISION)
    table.add_row("account", f"{ACCOUNT}: enabled, and some more words that people may read", "")
    file = io.StringIO()
    tables.show(table, Console(file=file, width=width, force_terminal=terminal, color_system=None))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 80, 120, 300])
@pytest.mark.parametrize("terminal", [True, False])
def test_show_keeps_ids_whole(width: int, *, terminal: bool) -> None:
    lines = shown(width=width, terminal=terminal)

    assert sum(ACCOUNT in line for line in lines) == 2
    assert sum(REVISION in line for line in lines) == 1


@pytest.mark.parametrize("width", [20, 80, 300])
def test_show_in_a_pipe_prints_one_line_per_row(width: int) -> None:
    lines = shown(width=width, terminal=False)

    assert len(lines) == 3
    assert lines == shown(width=80, terminal=False)


def test_show_on_a_terminal_folds_between_words() -> None:
    assert len(shown(width=100, terminal=True)) > 3
    assert all(len(line) <= 100 for line in shown(width=100, terminal=True))
