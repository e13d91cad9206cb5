"""A connection that listens to channels, and whose loss is never hidden.

redis-py's own PubSub reconnects by itself and subscribes again; whatever was published in between is lost without
a word. Here a lost connection is an error, so that whoever listens knows to read everything again.
"""

import time
from types import TracebackType
from typing import Any, Self

import redis

from router.redis_store.client import is_cluster

_QUIET = 5.0
"""Seconds without an answer to our own PING after which the connection counts as lost."""
_ASK = 1.0


def subscribers(client: Any, channel: str) -> int:
    """Count the connections that listen to a channel.

    Raises:
        redis.RedisError: Redis can't be asked, or our user may not ask.
    """
    everywhere = {"target_nodes": client.ALL_NODES} if is_cluster(client) else {}
    return sum(int(count) for _, count in client.pubsub_numsub(channel, **everywhere))


class Subscription:
    """One connection of its own, open while the block runs.

    Every method raises redis.RedisError or OSError when the connection is lost.
    """

    def __init__(self, client: Any) -> None:
        if is_cluster(client):
            # Publications reach every node of a cluster.
            client = client.get_redis_connection(client.get_random_node())
        self._pool = pool = client.connection_pool
        # RESP2: what is published is then read like any other answer.
        self._connection: Any = pool.connection_class(**{**pool.connection_kwargs, "protocol": 2})
        self._heard = self._asked = time.monotonic()

    def __enter__(self) -> Self:
        self._connection.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.disconnect()

    def command(self, *words: str | int) -> Any:
        """Send a command, before subscribing, and read its answer."""
        self._connection.send_command(*words, check_health=False)
        return self._connection.read_response()

    def server(self) -> str:
        """Which server process this is, before subscribing; empty where our user may not ask (see `server_of`)."""
        try:
            told = bytes(self.command("INFO", "server"))
        except redis.ResponseError:
            return ""
        return told.partition(b"run_id:")[2].partition(b"\r\n")[0].decode("ascii", "replace")

    def subscribe(self, *channels: str) -> None:
        """Subscribe; from its return on, nothing published is missed."""
        self.command("SUBSCRIBE", *channels)
        for _ in channels[1:]:
            self._connection.read_response()
        self._heard = self._asked = time.monotonic()

    def next(self, seconds: float) -> "PublishedMessage | None":
        """What is published next; None when nothing is in that time. Says so when the other side is gone."""
        # With Sentinel: a former master may go on for a while, and hears of no change any more.
        master = getattr(self._pool, "master_address", None)
        if master is not None and master != (self._connection.host, self._connection.port):
            raise redis.ConnectionError("another Redis is master now")
        now = time.monotonic()
        if now - self._asked >= _ASK:
            self._connection.send_command("PING", check_health=False)
            self._asked = now
        if not self._connection.can_read(timeout=seconds):
            if time.monotonic() - self._heard > _QUIET:
                raise redis.TimeoutError("the subscription is silent")
            return None
        kind, *rest = self._connection.read_response()
        self._heard = time.monotonic()
        return PublishedMessage(rest[0], rest[1]) if kind == b"message" else None


class PublishedMessage:
    """One message: its channel, and its bytes, or the keys that changed; None after FLUSHALL."""

    __slots__ = ("channel", "content")

    def __init__(self, channel: bytes, content: Any) -> None:
        self.channel = channel
        self.content = content
