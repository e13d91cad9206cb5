"""The life of an embedded server that keeps data in a directory: start, stop, start again, close."""

import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self


class DataServer(ABC):
    """Runs while its `with` block does.

    Args:
        directory: where the data is kept; None for a temporary directory, which is removed by `close`.
        prefix: of the temporary directory's name.
    """

    def __init__(self, directory: Path | str | None, prefix: str) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix=prefix) if directory is None else None
        self._directory = Path(self._temporary.name if self._temporary is not None else directory or "")

    @abstractmethod
    def start(self) -> Self:
        """Open the data and listen.

        Raises:
            OSError: a port is taken, or another process has the data open.
        """

    @abstractmethod
    def stop(self) -> None:
        """Cut every connection and close the data. The server may be started again."""

    def close(self) -> None:
        """Stop, and remove the data where it was temporary."""
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
