"""Scans Redis for corrupt values, a little at a time: a value that no lookup reads is checked nowhere else."""

from collections.abc import Iterator
from typing import Any, cast

import redis

from router.entries.codec import is_valid_entry
from router.entries.reference_values import is_valid_value
from router.redis_store.client import is_cluster
from router.redis_store.commands import RedisClient
from router.redis_store.entries import scan_pattern
from router.redis_store.entry_reader import EntryReader
from router.redis_store.keys import EPOCH, Keys
from router.redis_store.wrong_type import NONE, STRING, is_wrong_type

HSCAN_COUNT = 500
"""Documents of one step."""
SCAN_COUNT = 500
"""Keys of one step: half a millisecond of Redis' time at most."""


class IntegrityScan:
    """Each call makes one step of an endless cycle over all values.

    Every method raises redis.RedisError when Redis can't be reached.
    """

    def __init__(self, client: RedisClient, keys: Keys, reader: EntryReader) -> None:
        self._redis = client
        self._keys = keys
        self._reader = reader
        self._cursors: dict[str, int] = {}
        self._scan: Iterator[list[bytes]] = iter(())

    def corrupt_documents(self, database: str) -> dict[bytes, bytes]:
        """Return the corrupt ones of the next followed documents: their stored bytes by id."""
        key = self._keys.documents(database)
        try:
            cursor, found = self._redis.hscan(key, self._cursors.get(database, 0), count=HSCAN_COUNT)
        except redis.ResponseError as problem:
            if not is_wrong_type(problem):
                raise
            return {}  # the check of the documents' epoch finds the wrong type
        self._cursors[database] = cursor
        found.pop(EPOCH.encode(), None)
        return {name: value for name, value in found.items() if not is_valid_value(database, value)}

    def corrupt_entries(self) -> dict[str, bytes]:
        """Return the corrupt ones of the next entries: their stored bytes by number; empty for a wrong type."""
        try:
            keys = next(self._scan, None)
        except redis.RedisError:
            self._scan = iter(())
            raise
        if keys is None:
            self._scan = self._scan_keys()
            return {}
        numbers = [number for key in keys if (number := self._keys.number_of(key.decode("utf-8", "replace")))]
        stored = self._reader.entries(numbers) if numbers else []
        corrupt = {}
        for number, value in zip(numbers, stored, strict=True):
            if value is None:
                if self._has_wrong_type(number):
                    corrupt[number] = b""
            elif not is_valid_entry(value):
                corrupt[number] = value
        return corrupt

    def _has_wrong_type(self, number: str) -> bool:
        """Return whether the key is of another type; most keys without a value have just expired."""
        return self._redis.type(self._keys.number(number)) not in {STRING, NONE}

    def _scan_keys(self) -> Iterator[list[bytes]]:
        """Yield the keys of entries, one SCAN step each."""
        match = scan_pattern(self._keys.prefix + "{+")
        # Replies differ between a standalone client and a Cluster's, which takes a node for each step.
        client = cast("Any", self._redis)
        if not is_cluster(self._redis):
            cursor = -1
            while cursor != 0:
                cursor, keys = client.scan(max(cursor, 0), match=match, count=SCAN_COUNT)
                yield keys
            return
        for node in client.get_primaries():
            cursor = -1
            while cursor != 0:
                cursors, keys = client.scan(max(cursor, 0), match=match, count=SCAN_COUNT, target_nodes=node)
                cursor = cursors[node.name]
                yield keys
