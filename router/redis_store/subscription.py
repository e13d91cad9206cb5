"""A subscription to channels that reports the loss of its connection.

redis-py's own PubSub reconnects by itself and subscribes again: messages published in between are lost silently. Here a
lost connection is an error, so that the subscriber knows to read everything again.
"""

import time
from types import TracebackType
from typing import Any, Self, cast

import redis
from redis.cluster import RedisCluster

from router.redis_store.client import is_cluster
from router.redis_store.commands import RedisClient

_SILENCE_TIMEOUT = 5.0
"""Seconds without any reply, PINGs' included, after which the connection counts as lost."""
_PING_INTERVAL = 1.0
"""Seconds."""


def subscribers(client: RedisClient, channel: str) -> int:
    """Count the connections that are subscribed to a channel.

    Raises:
        redis.RedisError: Redis can't be reached, or our user lacks the permission.
    """
    options = {"target_nodes": RedisCluster.ALL_NODES} if is_cluster(client) else {}
    return sum(int(count) for _, count in client.pubsub_numsub(channel, **options))


class Subscription:
    """A connection of its own, open while the `with` block runs.

    Every method raises redis.RedisError or OSError when the connection is lost.
    """

    def __init__(self, client: RedisClient) -> None:
        single = cast("Any", client)
        if is_cluster(client):
            # Any node will do: a message reaches every node of a cluster.
            single = single.get_redis_connection(single.get_random_node())
        self._pool = pool = single.connection_pool
        # With RESP2, messages are read like any other reply.
        self._connection: Any = pool.connection_class(**{**pool.connection_kwargs, "protocol": 2})
        self._last_reply = self._last_ping = time.monotonic()

    def __enter__(self) -> Self:
        self._connection.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.disconnect()

    def command(self, *arguments: str | int) -> Any:
        """Send a command, before subscribing, and return its reply."""
        self._connection.send_command(*arguments, check_health=False)
        return self._connection.read_response()

    def server_id(self) -> str:
        """Return the id of the server process, before subscribing; empty without permission."""
        try:
            info = bytes(self.command("INFO", "server"))
        except redis.ResponseError:
            return ""
        return info.partition(b"run_id:")[2].partition(b"\r\n")[0].decode("ascii", "replace")

    def subscribe(self, *channels: str) -> None:
        """Subscribe; no message published after its return is missed."""
        self.command("SUBSCRIBE", *channels)
        for _ in channels[1:]:
            self._connection.read_response()
        self._last_reply = self._last_ping = time.monotonic()

    def receive(self, timeout: float) -> "PublishedMessage | None":
        """Return the next message; None when none arrives within `timeout` seconds."""
        # With Sentinel: a former master may run on for a while without receiving any change.
        master = getattr(self._pool, "master_address", None)
        if master is not None and master != (self._connection.host, self._connection.port):
            raise redis.ConnectionError("another Redis is master now")
        now = time.monotonic()
        if now - self._last_ping >= _PING_INTERVAL:
            self._connection.send_command("PING", check_health=False)
            self._last_ping = now
        if not self._connection.can_read(timeout=timeout):
            if time.monotonic() - self._last_reply > _SILENCE_TIMEOUT:
                raise redis.TimeoutError("the subscription is silent")
            return None
        kind, *rest = self._connection.read_response()
        self._last_reply = time.monotonic()
        return PublishedMessage(rest[0], rest[1]) if kind == b"message" else None


class PublishedMessage:
    """A message: its channel and its bytes. An invalidation's content is the changed keys, or None after FLUSHALL."""

    __slots__ = ("channel", "content")

    def __init__(self, channel: bytes, content: Any) -> None:
        self.channel = channel
        self.content = content
