"""Files that people replace while the service runs."""

import time
from collections.abc import Sequence
from pathlib import Path

_EVERY = 0.5
"""Seconds between two looks at the file system."""

Signature = tuple[tuple[int, int, int] | None, ...]
"""What changes when a file does; None for a file that can't be looked at."""


class FileWatcher:
    """Says when it is time to read some files again. Looking costs next to nothing between two looks."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._seen = self.signature()
        self._next = time.monotonic() + _EVERY

    def signature(self) -> Signature:
        """The files as they are now."""
        return tuple(_one(path) for path in self._paths)

    def changed(self) -> bool:
        """Whether they are others than at the last look that said so; each change is told once."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _EVERY
        found = self.signature()
        if found == self._seen:
            return False
        self._seen = found
        return True


def _one(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
