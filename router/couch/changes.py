"""CouchDB's continuous feeds: `_changes` of one database, and `_db_updates` of all.

A feed that ends cleanly sends `last_seq`; a crash just closes the connection. Both end the feed, and so does a silence
longer than a heartbeat may take.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from router.couch.client import CouchClient
from router.couch.error_translation import decode
from router.couch.errors import BadResponseError, CouchUnavailable
from router.couch.open_feed import OpenFeed
from router.couch.responses import Change, parse_change

SILENCE = 2.5
"""Heartbeat intervals until `_db_updates` counts as silent: a heartbeat may take twice its interval (3.5)."""
CHANGES_SILENCE = 1.5
"""Heartbeat intervals until `_changes` counts as silent: its heartbeats come on time."""


@dataclass(frozen=True, slots=True)
class DatabaseEvent:
    """An event of a database; a hint only, since its type is not the database's state."""

    name: str
    type: str
    seq: str = field(default="", compare=False)


class _Feed:
    """A continuous feed. Any thread may close it."""

    path: list[str]
    params: dict[str, Any]

    def __init__(self, couch: CouchClient, heartbeat: float, silence: float = SILENCE) -> None:
        self._couch = couch.with_timeout(max(1.0, heartbeat * silence))
        self._heartbeat = int(heartbeat * 1000)
        self._open: OpenFeed | None = None
        self._closed = False

    def open(self) -> None:
        """Connect; returns when CouchDB sent its first byte.

        Raises:
            CouchError: the feed can't be opened.
        """
        self._open = self._couch.open_feed(self.path, feed="continuous", heartbeat=self._heartbeat, **self.params)
        if self._closed:
            self._open.close()

    def close(self) -> None:
        """End the feed, from any thread."""
        self._closed = True
        if self._open is not None:
            self._open.close()

    def rows(self) -> Iterator[dict[str, Any] | None]:
        """Yield each row, None for a heartbeat; return at the feed's clean end.

        Raises:
            CouchUnavailable: cut, or silent for too long.
        """
        if self._open is None:
            raise CouchUnavailable("the feed is not open")
        for line in self._open.lines():
            if not line:
                yield None
                continue
            row = decode(line)
            if not isinstance(row, dict):
                raise BadResponseError(f"a feed sent a row that is none: {str(row)[:200]}")
            if "last_seq" in row and "id" not in row:
                return
            yield row
        if not self._closed:
            raise CouchUnavailable("the feed's connection was closed")


class ChangesFeed(_Feed):
    """The changes of one database, with documents, as they happen."""

    def __init__(self, couch: CouchClient, database: str, since: str, heartbeat: float) -> None:
        super().__init__(couch, heartbeat, CHANGES_SILENCE)
        self.path = [database, "_changes"]
        self.params = {"since": since, "include_docs": True}

    def changes(self) -> Iterator[Change | None]:
        """Yield each change, None for a heartbeat."""
        for row in self.rows():
            yield None if row is None else parse_change(row)


class DatabaseUpdatesFeed(_Feed):
    """Events of all databases; CouchDB loses some of them.

    CouchDB sends nothing at all, not even headers, before the first event or heartbeat, so the begin of a feed "from
    now on" can't be observed. This one begins at a sequence that was asked for before.
    """

    def __init__(self, couch: CouchClient, since: str, heartbeat: float) -> None:
        super().__init__(couch, heartbeat)
        self.path = ["_db_updates"]
        self.params = {"since": since}

    def events(self) -> Iterator[DatabaseEvent | None]:
        """Yield each event, None for a heartbeat."""
        for row in self.rows():
            yield None if row is None else _event(row)


def _event(row: dict[str, Any]) -> DatabaseEvent:
    name = row.get("db_name")
    if not isinstance(name, str):
        raise BadResponseError(f"the feed of database updates sent a row that is none: {str(row)[:200]}")
    return DatabaseEvent(name, str(row.get("type", "")), str(row.get("seq", "")))
