"""Numbers whose account copies have not been checked yet, kept in Redis so that they outlive a crash.

A hash of "number account" to a random token: the account is one that had the number when it changed, or empty. A field
is removed only while its token is unchanged, so a change that arrives during the check is checked again.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping

from router.redis_store import scripts
from router.redis_store.commands import RedisClient, Value
from router.redis_store.keys import Keys
from router.redis_store.wrong_type import HASH, retry_replacing_wrong_type

MAX_PENDING = 50_000
"""Numbers that may wait; past that, every number is compared instead."""

ALL_NUMBERS = "*"
"""The field that stands for all numbers."""


class PendingCopies:
    """Adds, reads and removes pending numbers.

    Every method raises redis.RedisError when Redis can't be reached or refuses to write.

    Args:
        limit: numbers that may wait.
    """

    def __init__(self, redis: RedisClient, keys: Keys, limit: int = MAX_PENDING) -> None:
        self._redis = redis
        self._key = keys.pending_copies
        self._limit = limit

    def add(self, numbers: Iterable[tuple[str, str]]) -> None:
        """Add numbers to be checked, each with an account that had it (empty for none known)."""
        fields: dict[str, Value] = {f"{number} {account}": secrets.token_hex(6) for number, account in numbers}
        if not fields:
            return
        if self.size() + len(fields) > self._limit:
            fields = {ALL_NUMBERS: secrets.token_hex(6)}
        retry_replacing_wrong_type(self._redis, {self._key: HASH}, lambda: self._redis.hset(self._key, mapping=fields))

    def size(self) -> int:
        """Return how many numbers are pending."""
        return retry_replacing_wrong_type(self._redis, {self._key: HASH}, lambda: self._redis.hlen(self._key))

    def batches(self, count: int) -> Iterator[dict[str, str]]:
        """Yield all pending fields with their tokens, in batches of about `count`."""
        batch: dict[str, str] = {}
        for field, token in self._redis.hscan_iter(self._key, count=count):
            batch[_text(field)] = _text(token)
            if len(batch) >= count:
                yield batch
                batch = {}
        if batch:
            yield batch

    def remove(self, done: Mapping[str, str]) -> None:
        """Remove fields whose token is still the given one."""
        if done:
            arguments = (text for pair in done.items() for text in pair)
            scripts.remove_if_token(self._redis, [self._key], *arguments)


def split_field(field: str) -> tuple[str, str]:
    """Split a field into its number and account."""
    number, _, account = field.partition(" ")
    return number, account


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
