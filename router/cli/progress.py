"""Progress bars for long work: for people on a terminal, silent elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from router.follower.warm import Progress


class BarProgress(Progress):
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

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

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
