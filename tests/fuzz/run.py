"""Fuzz the targets, two at a time: `make fuzz SECONDS=600 TARGET=feeds`.

What a run finds in new branches goes into the target's corpus when it ends, minimised; what breaks a promise stands in
`fuzz-findings/`, and `python -m tests.fuzz.replay TARGET FILE` shows it again.
"""

import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import click

from tests.fuzz import catalogue
from tests.fuzz.target import CORPUS, ROOT

FINDINGS = ROOT / "fuzz-findings"
LONGEST_INPUT = 10
"""Seconds after which an input counts as one that hangs; more than a thousand times what each takes."""
MOST_MEMORY = 1024
"""Megabytes."""
_REPORT_INTERVAL = 30.0
_LINE = re.compile(r"#(\d+)\s+(\w+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)/")
_DONE = re.compile(r"#(\d+) DONE")
"""The last line of the engine without guidance."""


@dataclass(slots=True)
class Run:
    """One target's run.

    Attributes:
        covered: branches of the product that its inputs came to.
        kept: inputs that come to something no other does.
        found: what broke a promise, one line each.
    """

    name: str
    seconds: float = 0.0
    executions: int = 0
    covered: int = 0
    kept: int = 0
    found: list[str] = field(default_factory=list)


def fuzz(name: str, seconds: int, *, keep: bool) -> Run:
    """Fuzz one target for so long, or until a promise is broken.

    Args:
        keep: replace its corpus by the minimised one.
    """
    run = Run(name)
    began = time.monotonic()
    if find_spec("atheris") is None:
        _follow(_started("tests.fuzz.unguided", name, str(seconds), f"{FINDINGS}/{name}-"), run)
        run.seconds = time.monotonic() - began
        return run
    with tempfile.TemporaryDirectory(prefix="did-router-fuzz-") as scratch:
        committed = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
        folders = [scratch, *committed]  # what is found goes into the first
        _follow(_guided(name, folders, f"-max_total_time={seconds}"), run)
        run.seconds = time.monotonic() - began
        if keep and not run.found:
            run.kept = _minimise(name, folders)
    return run


def _guided(name: str, folders: Sequence[str], *options: str) -> "subprocess.Popen[str]":
    limits = [f"-timeout={LONGEST_INPUT}", f"-rss_limit_mb={MOST_MEMORY}", f"-artifact_prefix={FINDINGS}/{name}-"]
    return _started("tests.fuzz.engine", name, *limits, *options, *folders)


def _started(module: str, *arguments: str) -> "subprocess.Popen[str]":
    FINDINGS.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def _follow(process: "subprocess.Popen[str]", run: Run) -> None:
    assert process.stdout is not None
    tail: list[str] = []
    reported = began = time.monotonic()
    for line in process.stdout:
        tail = [*tail[-40:], line.rstrip()]
        seen = _LINE.match(line)
        if seen is None:
            run.executions = int(done[1]) if (done := _DONE.match(line)) else run.executions
            continue
        run.executions, run.covered, run.kept = int(seen[1]), int(seen[3]), int(seen[5])
        if time.monotonic() - reported > _REPORT_INTERVAL:
            reported = time.monotonic()
            _say(f"{run.name}: {reported - began:.0f} s, {run.executions:,} executions, {run.covered} branches")
    if process.wait() != 0:
        run.found.append(_what(tail))
        _say(f"{run.name}: FOUND {run.found[-1]}")
        _say("\n".join(tail[-25:]))


def _what(tail: Sequence[str]) -> str:
    """The engine's last words in a line."""
    dictionary = [line for line in tail if re.match(r"\w*(Error|Exception)\b|==\d+== ERROR", line)]
    where = [line.partition("Test unit written to ")[2] for line in tail if "Test unit written to" in line]
    return " ".join([*dictionary[:1], *(Path(each).name for each in where)]) or "the engine failed"


def _minimise(name: str, folders: Sequence[str]) -> int:
    """Keep as few inputs as come to every branch that these come to, and what broke a promise once."""
    with tempfile.TemporaryDirectory(prefix="did-router-fuzz-") as scratch:
        process = _guided(name, [scratch, *folders], "-merge=1", "-use_counters=0")
        assert process.stdout is not None
        result = process.stdout.read()
        if process.wait() != 0:
            raise click.ClickException(f"minimising {name} failed:\n{result[-2000:]}")
        kept = CORPUS / name
        kept.mkdir(parents=True, exist_ok=True)
        smallest = list(Path(scratch).iterdir())
        for old in kept.iterdir():
            if not old.name.startswith("found-"):
                old.unlink()
        for each in smallest:
            (kept / each.name[:16]).write_bytes(each.read_bytes())
    return len(smallest)


_TELLING = threading.Lock()


def _say(line: str) -> None:
    with _TELLING:
        click.echo(line, err=True)


def table(runs: Sequence[Run]) -> str:
    """Markdown."""
    lines = [
        "| target | seconds | executions | branches | inputs kept | found |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for run in runs:
        found = "; ".join(run.found) or "nothing"
        lines.append(f"| {run.name} | {run.seconds:.0f} | {run.executions:,} | {run.covered} | {run.kept} | {found} |")
    return "\n".join(lines)


@click.command(help=__doc__)
@click.option("--seconds", default=600, show_default=True, help="for each target")
@click.option(
    "--target", "names", multiple=True, type=click.Choice(catalogue.NAMES), help="only this one; again for more"
)
@click.option("--at-a-time", default=2, show_default=True, help="targets under way at a time")
@click.option("--keep/--no-keep", default=True, show_default=True, help="put what was learnt into tests/fuzz/corpus")
def main(seconds: int, names: Sequence[str], at_a_time: int, *, keep: bool) -> None:
    """Fuzz and print the table; fails where something was found."""
    with ThreadPoolExecutor(at_a_time) as pool:
        runs = list(pool.map(lambda name: fuzz(name, seconds, keep=keep), names or catalogue.NAMES))
    click.echo(table(runs))
    sys.exit(any(run.found for run in runs))


if __name__ == "__main__":
    main()
