"""The SQLite file: one writer, many readers, safe against a kill."""

import fcntl
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS databases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: rows of a dropped database stay its own
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,              -- seconds: `instance_start_time`
    uuid_low TEXT NOT NULL, uuid_high TEXT NOT NULL,
    seq_low INTEGER NOT NULL DEFAULT 0, seq_high INTEGER NOT NULL DEFAULT 0,
    purge_low INTEGER NOT NULL DEFAULT 0, purge_high INTEGER NOT NULL DEFAULT 0,
    live INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,
    revs_limit INTEGER NOT NULL DEFAULT 1000,
    security TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS documents (     -- a row a document: its winning revision
    db INTEGER NOT NULL, id TEXT NOT NULL, deleted INTEGER NOT NULL,
    shard INTEGER NOT NULL, seq INTEGER NOT NULL,
    generation INTEGER NOT NULL, digest TEXT NOT NULL,
    ancestors TEXT NOT NULL,               -- digests, newest first, space between
    losers INTEGER NOT NULL DEFAULT 0,     -- how many rows `losers` has for it
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_id ON documents (db, id, deleted);
CREATE INDEX IF NOT EXISTS by_seq ON documents (db, shard, seq);
CREATE TABLE IF NOT EXISTS losers (        -- the other leaves of a conflicted document
    db INTEGER NOT NULL, id TEXT NOT NULL, generation INTEGER NOT NULL, digest TEXT NOT NULL,
    deleted INTEGER NOT NULL, ancestors TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (db, id, generation, digest)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS locals (
    db INTEGER NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (db, id)
) WITHOUT ROWID;
"""

Row = tuple[Any, ...]


class Store:
    """One SQLite database in WAL mode.

    Reads take a connection from a pool and run concurrently with the writer; writes take turns. A commit survives the
    process being killed, but not a power cut: an fsync a write would halve the speed of this substitute.

    Args:
        directory: holds the file and its lock; it must exist.

    Raises:
        OSError: another process has the directory open.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "couchdb.sqlite"
        self._lock_file = (directory / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock_file.close()
            raise OSError(f"another process uses the database in {directory}") from error
        self.lock = threading.RLock()
        """Held by `write`; hold it longer to publish a commit before the next one can happen."""
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        self._writer = self._connect()
        self._writer.executescript(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("PRAGMA mmap_size = 268435456")
        return connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction: committed at the end, rolled back by an exception. One at a time."""
        with self.lock:
            if self._closed:
                raise ConnectionAbortedError("the store is closed")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Row]:
        """Return all rows of a query, concurrently with any writer. Keep the result small: page with LIMIT."""
        connection = self._borrow()
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            self._return(connection)

    def row(self, sql: str, parameters: tuple[Any, ...] = ()) -> Row | None:
        """Return the first row of a query, or None."""
        rows = self.rows(sql, parameters)
        return rows[0] if rows else None

    def _borrow(self) -> sqlite3.Connection:
        if self._closed:
            raise ConnectionAbortedError("the store is closed")
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _return(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            connection.close()
            return
        self._idle.append(connection)

    def close(self) -> None:
        """Wait for the current write, then close. Current readers keep their connections to the end."""
        with self.lock:
            self._closed = True
            while self._idle:
                with suppress(IndexError):
                    self._idle.pop().close()
            self._writer.close()
            self._lock_file.close()
