"""Renders the results of a run as a table and as JSON."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.bar import BAR, TEXTBOOK
from benchmarks.figures import Results, middle

_MARKS = {"wanted": "[green]wanted[/]", "reached": "[green]reached[/]", "short": "[red]short[/]"}


def show(seen: Results, about: dict[str, str | int | float]) -> None:
    """Print everything."""
    console = Console(width=None if Console().is_terminal else 170)
    console.print(f"\n[bold]Measured on[/] {machine.summary(about)}")
    console.print(_turns(seen))
    for name, rows in seen.other.items():
        console.print(_rows(name, rows))
    console.print(_bar(seen))
    for name, why in seen.skipped.items():
        console.print(f"[yellow]skipped[/] {name}: {why}", highlight=False, markup=True)


def _turns(seen: Results) -> Table:
    table = Table(
        title="lookups (medians over rounds; CPU in cores: CPU-seconds a second)", box=SIMPLE, padding=(0, 1, 0, 0)
    )
    table.add_column("contestant", no_wrap=True)
    table.add_column("load", no_wrap=True)
    for name in ("numbers", "a second", "per CPU-s", "x textbook", "CPU", "Redis", "CouchDB", "load gen."):
        table.add_column(name, justify="right")
    for name in ("p50 ms", "p99 ms", "p99.9 ms", "MB", "wrong", "lost"):
        table.add_column(name, justify="right")
    for who, load, count in seen.pairs():
        value = _Values(seen, who, load, count)
        textbook = seen.value(TEXTBOOK, load, "per_cpu", count)
        own = seen.value(who, load, "per_cpu", count)
        table.add_row(
            who,
            load,
            f"{count:,}",
            value("rate", ",.0f"),
            value("per_cpu", ",.0f"),
            f"{own / textbook:.1f}" if own and textbook else "",
            *(value(each, ".2f") for each in ("cores", "redis", "couchdb", "generator")),
            *(value(each, ".2f") for each in ("p50", "p99", "p99.9")),
            value("megabytes", ",.0f"),
            *(_count(value(each, ",.0f")) for each in ("wrong", "lost")),
        )
    return table


class _Values:
    """The figures of one row, as text."""

    def __init__(self, seen: Results, who: str, load: str, count: int) -> None:
        self._seen, self._who, self._load, self._count = seen, who, load, count

    def __call__(self, what: str, form: str) -> str:
        value = self._seen.value(self._who, self._load, what, self._count)
        return "" if value is None else format(value, form)


def _count(text: str) -> str:
    return "" if text == "0" else f"[red]{text}[/]"


def _rows(title: str, rows: Sequence[dict[str, float]]) -> Table:
    table = Table(title=title, box=SIMPLE)
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            *(f"{value:,.2f}" if value < 100 and value != int(value) else f"{value:,.0f}" for value in row.values())
        )
    return table


def _bar(seen: Results) -> Table:
    table = Table(title="the bar: ratios within this run", box=SIMPLE)
    table.add_column("what")
    for name in ("seen", "at least", "wanted", ""):
        table.add_column(name, justify="right")
    for each in BAR:
        value = each.value(seen)
        least = f"at most {each.least:g}" if each.at_most else f"{each.least:g}"
        shown, mark = ("", "not measured") if value is None else (f"{value:.2f}", _MARKS[each.verdict(value)])
        table.add_row(each.what, shown, least, "" if each.wanted is None else f"{each.wanted:g}", mark)
    return table


def save(seen: Results, about: dict[str, str | int | float], folder: Path, arguments: Sequence[str]) -> Path:
    """Write everything as JSON; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    path.write_text(json.dumps(as_json(seen, about, arguments), indent=1) + "\n")
    return path


def as_json(seen: Results, about: dict[str, str | int | float], arguments: Sequence[str]) -> dict[str, Any]:
    """Every turn, the medians, the bar."""
    values = {each.what: each.value(seen) for each in BAR}
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "arguments": list(arguments),
        "machine": about,
        "bar": [
            {
                "what": each.what,
                "seen": values[each.what],
                "least": each.least,
                "wanted": each.wanted,
                "at_most": each.at_most,
                "verdict": "not measured" if (value := values[each.what]) is None else each.verdict(value),
            }
            for each in BAR
        ],
        "medians": [
            {
                "contestant": who,
                "load": load,
                "numbers": count,
                **{
                    what: middle(getattr(each, what) for each in seen.of(who, load, count))
                    for what in ("rate", "per_cpu", "megabytes")
                },
            }
            for who, load, count in seen.pairs()
        ],
        "turns": [each.as_json() for each in seen.turns],
        "redis_bytes": seen.redis_bytes,
        "other": seen.other,
        "skipped": seen.skipped,
    }
