"""A CouchDB server: its databases, and the feed of their updates."""

from collections.abc import Sequence
from typing import Any

import orjson

from router.couch import responses
from router.couch.client import CouchClient
from router.couch.database import CouchDatabase
from router.couch.errors import BadResponseError
from router.couch.responses import DatabaseInfo
from router.numbers.shards import SHARD_PREFIX, is_shard

INFO_BATCH_SIZE = 100
"""Databases in one `_dbs_info`, which refuses more names (3.5.0)."""

_ALL_COPIES_TIMEOUT = 2.0
"""Seconds to wait for every copy. CouchDB waits for a frozen node until it calls the node down (72 s in 3.5.0)."""


class CouchServer:
    """The databases of one server, read and written through one client. Every method raises CouchError."""

    def __init__(self, client: CouchClient) -> None:
        self.client = client
        self._quick = client.with_timeout(min(client.timeout, _ALL_COPIES_TIMEOUT))

    def database(self, name: str) -> CouchDatabase:
        """Return a database, whether or not it exists; nothing is sent."""
        return CouchDatabase(self.client, self._quick, name)

    def version(self) -> str:
        """Return the server's version. It proves that this is a CouchDB, not that the password is right."""
        answer = responses.parse_object(self.client.request("GET", [""]))
        if "couchdb" not in answer:
            raise BadResponseError("the server answers, but not as CouchDB does: check couchdb_url")
        return str(answer.get("version", "unknown"))

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the databases that begin with a prefix."""
        params = {"start_key": _json(prefix), "end_key": _json(prefix + "\ufff0")} if prefix else {}
        answer = self.client.request("GET", ["_all_dbs"], **params)
        if not isinstance(answer, list):
            raise BadResponseError("_all_dbs is not a list")
        return [str(name) for name in answer]

    def shards(self) -> list[str]:
        """Return the names of the number databases that lookups route by."""
        return [name for name in self.names(SHARD_PREFIX) if is_shard(name)]

    def infos(self, names: Sequence[str]) -> dict[str, DatabaseInfo | None]:
        """Return the state of at most INFO_BATCH_SIZE databases, None for each that does not exist."""
        answer = self.client.send("POST", ["_dbs_info"], {"keys": list(names)}, is_read=True)
        return responses.parse_infos(answer.value, names, answer.date)

    def updates_now(self) -> str:
        """Return the sequence after which the feed of database updates reports everything from now on.

        Raises:
            NotFoundError: the server has no such feed: its database _global_changes is missing.
        """
        return responses.parse_sequence(self._updates("now"), "last_seq")

    def has_updates_after(self, seq: str) -> bool:
        """Return whether the feed of database updates has events after a sequence."""
        return bool(responses.parse_results(self._updates(seq), "_db_updates"))

    def _updates(self, since: str) -> dict[str, Any]:
        return responses.parse_object(self.client.request("GET", ["_db_updates"], since=since, limit=1))


def _json(value: str) -> str:
    return orjson.dumps(value).decode()
