"""Progress bars for long work: for people on a terminal, silent elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from router.bulk.deferred_copy_writer import RunProgress
from router.runtime.progress import Progress


class _OnScreen:
    """Bars that stand on the screen as long as the work lasts."""

    _bars: Bars

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


class BarProgress(_OnScreen, Progress):
    """Two bars on stderr: databases and documents."""

    def __init__(self, what: str) -> None:
        console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description:>22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._databases = self._bars.add_task(f"{what} databases", total=None, rate="")
        self._documents = self._bars.add_task("documents", total=None, rate="")

    def total(self, databases: int, documents: int) -> None:
        """How much there is."""
        self._bars.update(self._databases, total=databases)
        self._bars.update(self._documents, total=documents or None)

    def documents(self, count: int) -> None:
        """So many documents more."""
        speed = next(task for task in self._bars.tasks if task.id == self._documents).speed
        self._bars.update(self._documents, advance=count, rate=f"{speed:,.0f}/s" if speed else "")

    def database(self, name: str) -> None:
        """One database more is done."""
        self._bars.update(self._databases, advance=1, rate=name)


class RowsProgress(_OnScreen, RunProgress):
    """A bar on stderr for the rows of a file: rate, and the time left by the bytes that are left.

    Args:
        size: the file's bytes; 0 where that isn't known.
    """

    def __init__(self, what: str, size: int) -> None:
        console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._what = what
        self._task = self._bars.add_task(what, total=size or None, rows=0, rate="")
        self._rows = 0
        self._began = time.monotonic()

    def rows(self, count: int, offset: int) -> None:
        """So many rows more, and so many bytes in all."""
        self._rows += count
        rate = self._rows / max(1e-9, time.monotonic() - self._began)
        self._bars.update(self._task, completed=offset, rows=self._rows, rate=f"{rate:,.0f}/s")

    def copies(self, numbers: int) -> None:
        """Account copies of so many numbers are being written; 0: they are."""
        self._bars.update(self._task, description=f"copies of {numbers:,}" if numbers else self._what)
