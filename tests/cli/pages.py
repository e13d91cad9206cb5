"""Blocks of the documentation, and whether what is printed is what they show."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FIGURES = (
    (re.compile(r"\d+\.\d+ s\b"), "some s"),
    (re.compile(r"[\d,]+/s\b"), "some/s"),
    (re.compile(r"\d+(, \d+)* ms\b"), "some ms"),
    (re.compile(r"[\d,]+ entries\b"), "some entries"),
    (re.compile(r" \d+\.\d$"), " some"),
)
"""Patterns of output that differs from run to run."""


def sessions(page: str, heading: str = "") -> list[list[tuple[str, list[str]]]]:
    """Each console block below a heading: its commands, and the lines that each shows."""
    text = (ROOT / page).read_text("utf-8")
    return [list(_commands(block)) for block in _CONSOLE.findall(text[text.index(heading) :])]


def shows(shown: list[str], printed: str) -> list[str]:
    """The lines of a page that were not printed; `…` stands for anything, and spaces and times may differ."""
    lines = [_plain(line) for line in printed.splitlines()]
    text = " ".join(lines)
    patterns = ((line, ".*".join(map(re.escape, _plain(line).split("…")))) for line in shown if line.strip())
    return [line for line, pattern in patterns if not re.search(pattern, text)]


def _commands(block: str) -> Iterator[tuple[str, list[str]]]:
    command = ""
    shown: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line.removeprefix("$ "), []
        else:
            shown.append(line)
    yield command, shown


def _plain(line: str) -> str:
    line = " ".join(line.split())
    for pattern, instead in _FIGURES:
        line = pattern.sub(instead, line)
    return line
