"""Numbers whose account copies have yet to be looked at, kept in Redis so that no crash forgets them.

A hash of "number account" to a random token: the account is one that had the number when it changed, or empty. What was
looked at is taken out only while its token is the same, so a change that comes meanwhile is looked at again.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from router.redis_store import scripts
from router.redis_store.keys import Keys
from router.redis_store.wrong_type import HASH, retry_replacing_wrong_type

MOST = 50_000
"""Numbers that may wait; past that, everything is compared instead."""

EVERYTHING = "*"
"""Stands for all numbers."""


class PendingCopies:
    """Notes numbers, hands them out, and takes them out.

    Every method raises redis.RedisError when Redis can't be asked or refuses to write.

    Args:
        most: numbers that may wait.
    """

    def __init__(self, redis: Any, keys: Keys, most: int = MOST) -> None:
        self._redis = redis
        self._key = keys.copies
        self._most = most

    def note(self, numbers: Iterable[tuple[str, str]]) -> None:
        """Have these looked at: number, and an account that had it (empty for none known)."""
        fields = {f"{number} {account}": secrets.token_hex(6) for number, account in numbers}
        if not fields:
            return
        if self.size() + len(fields) > self._most:
            fields = {EVERYTHING: secrets.token_hex(6)}
        retry_replacing_wrong_type(self._redis, {self._key: HASH}, lambda: self._redis.hset(self._key, mapping=fields))

    def size(self) -> int:
        """How many wait."""
        return int(retry_replacing_wrong_type(self._redis, {self._key: HASH}, lambda: self._redis.hlen(self._key)))

    def batches(self, count: int) -> Iterator[dict[str, str]]:
        """All that wait, about so many at a time: field → token."""
        batch: dict[str, str] = {}
        for field, token in self._redis.hscan_iter(self._key, count=count):
            batch[_text(field)] = _text(token)
            if len(batch) >= count:
                yield batch
                batch = {}
        if batch:
            yield batch

    def settle(self, done: Mapping[str, str]) -> None:
        """Take out fields whose token is still the same."""
        if done:
            scripts.remove_if_token(self._redis, [self._key], *(text for pair in done.items() for text in pair))


def number_and_account(field: str) -> tuple[str, str]:
    """What a field stands for."""
    number, _, account = field.partition(" ")
    return number, account


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
