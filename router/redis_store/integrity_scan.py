"""Looking through Redis for what is none of ours, a little at a time: what nobody reads is noticed by nobody else."""

from collections.abc import Iterator
from typing import Any

import redis

from router.entries.codec import is_valid_entry as is_entry
from router.entries.reference_values import is_valid_value as is_document
from router.redis_store.client import is_cluster
from router.redis_store.entries import scan_pattern
from router.redis_store.entry_reader import EntryReader
from router.redis_store.keys import EPOCH, Keys
from router.redis_store.wrong_type import NONE, STRING, is_wrong_type

DOCUMENTS_AT_ONCE = 500
KEYS_AT_ONCE = 500
"""Of a step: half a millisecond of Redis' time at most."""


class IntegrityScan:
    """One look after the other goes once around everything, and then begins anew.

    Every look raises redis.RedisError when Redis can't be asked.
    """

    def __init__(self, client: Any, keys: Keys, reader: EntryReader) -> None:
        self._redis = client
        self._keys = keys
        self._reader = reader
        self._cursors: dict[str, int] = {}
        self._scan: Iterator[list[bytes]] = iter(())

    def documents(self, database: str) -> dict[bytes, bytes]:
        """Those of the next followed documents that are not sound: what stands there, by their ids."""
        key = self._keys.documents(database)
        try:
            cursor, found = self._redis.hscan(key, self._cursors.get(database, 0), count=DOCUMENTS_AT_ONCE)
        except redis.ResponseError as problem:
            if not is_wrong_type(problem):
                raise
            return {}  # whoever looks for the documents' epoch notices
        self._cursors[database] = cursor
        found.pop(EPOCH.encode(), None)
        return {name: value for name, value in found.items() if not is_document(database, value)}

    def entries(self) -> dict[str, bytes]:
        """The same for entries, by their numbers; empty where something of another type stands."""
        try:
            keys = next(self._scan, None)
        except redis.RedisError:
            self._scan = iter(())
            raise
        if keys is None:
            self._scan = self._scans()
            return {}
        numbers = [number for key in keys if (number := self._keys.number_of(key.decode("utf-8", "replace")))]
        held = self._reader.entries(numbers) if numbers else []
        garbled = {}
        for number, value in zip(numbers, held, strict=True):
            if value is None:
                if self._is_foreign(number):
                    garbled[number] = b""
            elif not is_entry(value):
                garbled[number] = value
        return garbled

    def _is_foreign(self, number: str) -> bool:
        """Whether a key is of another type: most that hold nothing any more have lapsed."""
        return self._redis.type(self._keys.number(number)) not in {STRING, NONE}

    def _scans(self) -> Iterator[list[bytes]]:
        """The keys of entries, a SCAN each."""
        match = scan_pattern(self._keys.prefix + "{+")
        if not is_cluster(self._redis):
            cursor = -1
            while cursor != 0:
                cursor, keys = self._redis.scan(max(cursor, 0), match=match, count=KEYS_AT_ONCE)
                yield keys
            return
        for node in self._redis.get_primaries():
            cursor = -1
            while cursor != 0:
                cursors, keys = self._redis.scan(max(cursor, 0), match=match, count=KEYS_AT_ONCE, target_nodes=node)
                cursor = cursors[node.name]
                yield keys
