"""Detects changes of files that operators replace while the service runs."""

import time
from collections.abc import Sequence
from pathlib import Path

_CHECK_INTERVAL = 0.5
"""Seconds between two reads of the file system."""

Signature = tuple[tuple[int, int, int] | None, ...]
"""For each file its modification time in nanoseconds, inode and size; None for a file without a readable status."""


class FileWatcher:
    """Reports when files changed. Between two checks a call costs one comparison."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._seen = self.signature()
        self._next = time.monotonic() + _CHECK_INTERVAL

    def signature(self) -> Signature:
        """Read the current signature."""
        return tuple(_file_signature(path) for path in self._paths)

    def changed(self) -> bool:
        """Return whether the files changed since the last reported change; each change is reported once."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _CHECK_INTERVAL
        found = self.signature()
        if found == self._seen:
            return False
        self._seen = found
        return True


def _file_signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
