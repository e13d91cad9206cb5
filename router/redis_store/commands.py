"""The Redis commands that this service uses, typed: what redis-py's standalone, Sentinel and Cluster clients share.

Replies are bytes: the clients that `router.redis_store.client.connect` opens decode nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol, Self

Value = str | bytes | int | float


class RedisPipeline(Protocol):
    """Commands sent in one round trip; each method queues its command."""

    def hget(self, name: str, key: str) -> Self:
        """HGET."""

    def hgetall(self, name: str) -> Self:
        """HGETALL."""

    def unlink(self, *names: str) -> Self:
        """UNLINK."""

    def rpush(self, name: str, *values: Value) -> Self:
        """RPUSH."""

    def pexpire(self, name: str, time: int) -> Self:
        """PEXPIRE; time in milliseconds."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        """Send everything; return the replies, errors among them unless they are raised."""


class RedisClient(Protocol):
    """A client; threads share it. Every method raises redis.RedisError."""

    def ping(self) -> bool:
        """PING."""

    def get(self, name: str) -> bytes | None:
        """GET."""

    def set(self, name: str, value: Value) -> Any:
        """SET."""

    def delete(self, *names: str) -> int:
        """DEL."""

    def exists(self, *names: str) -> int:
        """EXISTS."""

    def type(self, name: str) -> bytes:
        """TYPE."""

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """MGET; in a Cluster only for keys of one slot."""

    def mget_nonatomic(self, keys: Sequence[str]) -> list[bytes | None]:
        """MGET of keys in any slot, one request a node: Cluster clients only."""

    def hget(self, name: str, key: str) -> bytes | None:
        """HGET."""

    def hset(
        self,
        name: str,
        key: str | None = None,
        value: Value | None = None,
        mapping: Mapping[str, Value] | None = None,
    ) -> int:
        """HSET."""

    def hdel(self, name: str, *keys: str) -> int:
        """HDEL."""

    def hmget(self, name: str, keys: Sequence[str]) -> list[bytes | None]:
        """HMGET."""

    def hgetall(self, name: str) -> dict[bytes, bytes]:
        """HGETALL."""

    def hkeys(self, name: str) -> list[bytes]:
        """HKEYS."""

    def hlen(self, name: str) -> int:
        """HLEN."""

    def hscan(self, name: str, cursor: int = 0, *, count: int | None = None) -> tuple[int, dict[bytes, bytes]]:
        """HSCAN: the next cursor and some fields."""

    def hscan_iter(self, name: str, *, count: int | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over all fields by HSCAN."""

    def sadd(self, name: str, *values: Value) -> int:
        """SADD."""

    def srem(self, name: str, *values: Value) -> int:
        """SREM."""

    def smembers(self, name: str) -> AbstractSet[bytes]:
        """SMEMBERS."""

    def scan_iter(self, match: str | None = None, count: int | None = None) -> Iterator[bytes]:
        """Iterate over all keys of a pattern by SCAN; in a Cluster over those of every primary."""

    def blpop(self, keys: Sequence[str], timeout: float) -> Any:
        """BLPOP; None after the timeout."""

    def publish(self, channel: str, message: Value) -> int:
        """PUBLISH; the number of subscribers that received it."""

    def pubsub_numsub(self, *channels: str, **options: Any) -> Iterable[tuple[bytes, int]]:
        """PUBSUB NUMSUB."""

    def eval(self, script: str, numkeys: int, *keys_and_args: Value) -> Any:
        """EVAL."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Value) -> Any:
        """EVALSHA."""

    def info(self, section: str | None = None, **options: Any) -> dict[str, Any]:
        """INFO."""

    def pipeline(self, transaction: bool = True) -> RedisPipeline:  # noqa: FBT001, FBT002 - redis-py's signature
        """Return a pipeline."""
