"""The results of a run, one JSON object a line. The file is also the run's journal: a killed run resumes from it.

- The first line names the input and the options.
- A `begun` line says up to which line rows are about to run. Under `early` it holds results of rows that were carried
  out before their result line could be written.
- A `copies` line says that the account copies of all rows above it are written.
- Every other line is one row's result, in the order of the input.
"""

import fcntl
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

import orjson

from router.bulk.journal_header import Header, check_is_dry_run
from router.bulk.previous_run import PreviousRun, read_previous_run
from router.bulk.rows import InvalidFileError


class Journal:
    """A results file, open for appending. Thread-safe.

    Args:
        file: positioned at its end; None: results are kept nowhere.
        previous: the state of an earlier run that it holds.
    """

    def __init__(self, file: BinaryIO | None, previous: PreviousRun) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.previous = previous

    @classmethod
    def open(cls, path: Path | None, header: Header, now: int, *, afresh: bool = False) -> Self:
        """Create a results file, or resume one.

        Args:
            path: None: results are kept nowhere.
            now: Gregorian seconds.
            afresh: replace the results of an earlier dry run.

        Raises:
            InvalidFileError: the file holds something else, or another run writes it.
        """
        if path is None:
            return cls(None, PreviousRun(started=now))
        file = _open_locked(path)
        try:
            return cls._open_file(file, path, header, now, afresh=afresh)
        except BaseException:
            with suppress(OSError):  # closing repeats a failed write
                file.close()
            raise

    @classmethod
    def _open_file(cls, file: BinaryIO, path: Path, header: Header, now: int, *, afresh: bool) -> Self:
        has_content = path.stat().st_size > 0
        if has_content and not afresh:
            previous, end = read_previous_run(path, header)
            file.truncate(end)  # drops a line that was cut in the middle
            return cls(file, previous)
        if has_content:
            check_is_dry_run(path)
            file.truncate(0)
        journal = cls(file, PreviousRun(started=now))
        journal._write([header.as_json(now)], sync=True)
        return journal

    def begin(
        self,
        line: int,
        revisions: Mapping[str, str] | None = None,
        early: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Record that rows up to this line are about to run; returns once that is on disk.

        Args:
            revisions: row → `_rev` of its number before the row runs; empty: no document.
            early: results of rows of the same window that were carried out.
        """
        record: dict[str, Any] = {"begun": line}
        if revisions is not None:
            record["revisions"] = revisions
        if early:
            record["early"] = early
        self._write([record], sync=True)

    def results(self, results: Iterable[Mapping[str, Any]]) -> None:
        """Record results of rows."""
        self._write(results, sync=False)

    def copies(self, failed_copies: Mapping[str, str]) -> None:
        """Record that the account copies of all recorded rows are written, except of these numbers: number → why."""
        self._write([{"copies": "written", "behind": failed_copies}], sync=False)

    def close(self) -> None:
        """Flush to disk and close."""
        if self._file is not None:
            self._write((), sync=True)
            self._file.close()

    def _write(self, lines: Iterable[Mapping[str, Any]], *, sync: bool) -> None:
        if self._file is None:
            return
        try:
            with self._lock:  # concurrent windows begin their waves in their own threads
                self._file.write(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
                self._file.flush()
            if sync and self._file.seekable():
                os.fdatasync(self._file.fileno())
        except OSError as problem:
            message = (
                f"{problem.strerror}: no more results can be written; make room and run it again, it goes on there"
            )
            raise OSError(problem.errno, message, self._file.name) from None


def _open_locked(path: Path) -> BinaryIO:
    """Open a file for appending and lock it: two runs would tear each other's lines.

    Raises:
        InvalidFileError: another run holds the lock.
    """
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise InvalidFileError(
            f"another run is writing {path}: wait until it is done, or name another --output"
        ) from None
    except OSError:
        return file  # some network file systems support no locks
    return file
