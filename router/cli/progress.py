"""Progress bars for long work: shown on a terminal only."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from router.bulk.deferred_copy_writer import RunProgress
from router.runtime.progress import Progress


class _OnScreen:
    """Shows bars for the duration of a block."""

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

    def __init__(self, subject: str) -> None:
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
        self._databases = self._bars.add_task(f"{subject} databases", total=None, rate="")
        self._documents = self._bars.add_task("documents", total=None, rate="")

    def total(self, databases: int, documents: int) -> None:
        """Set the totals."""
        self._bars.update(self._databases, total=databases)
        self._bars.update(self._documents, total=documents or None)

    def documents(self, count: int) -> None:
        """Add finished documents."""
        speed = next(task for task in self._bars.tasks if task.id == self._documents).speed
        self._bars.update(self._documents, advance=count, rate=f"{speed:,.0f}/s" if speed else "")

    def database(self, name: str) -> None:
        """Add a finished database."""
        self._bars.update(self._databases, advance=1, rate=name)


class RowsProgress(_OnScreen, RunProgress):
    """A bar on stderr for the rows of a file: rate, and the remaining time by the remaining bytes.

    Args:
        size: the file's bytes; 0: unknown.
    """

    def __init__(self, subject: str, size: int) -> None:
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
        self._subject = subject
        self._task = self._bars.add_task(subject, total=size or None, rows=0, rate="")
        self._rows = 0
        self._began = time.monotonic()

    def rows(self, count: int, offset: int) -> None:
        """Add finished rows; `offset` is the file's bytes done in total."""
        self._rows += count
        rate = self._rows / max(1e-9, time.monotonic() - self._began)
        self._bars.update(self._task, completed=offset, rows=self._rows, rate=f"{rate:,.0f}/s")

    def copies(self, numbers: int) -> None:
        """Show that account copies of this many numbers are being written; 0: none any more."""
        self._bars.update(self._task, description=f"copies of {numbers:,}" if numbers else self._subject)
