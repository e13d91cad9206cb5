"""A barrier: when it is passed, no worker's near cache holds what was changed before it.

Redis tells near caches what changed on the connection on which each of them listens. Whoever wrote, and has Redis'
acknowledgement, publishes a token on a channel that those same connections listen to: it stands behind the
invalidations in each connection's queue, so a near cache that has come to the token has dropped what changed.
Redis puts the invalidations of a write into those queues before it acknowledges the write (seen on a real one by
tests/integration/test_barrier.py).

A near cache whose connection is down is not counted, and need not be: it isn't trusted until it was emptied.
"""

import logging
import secrets
import time

import redis

from router.redis_store.client import is_cluster
from router.redis_store.commands import RedisClient
from router.redis_store.keys import Keys

log = logging.getLogger(__name__)

TIMEOUT = 0.25
"""Seconds that near caches are waited for."""
_MIN_BLPOP_TIMEOUT = 0.01
"""Seconds. Redis takes a wait that it rounds to zero for one without an end."""
_ACK_TTL = 10_000
"""Milliseconds after which Redis drops the acknowledgements; longer than any wait for them."""


def await_all(client: RedisClient, keys: Keys, timeout: float | None = None) -> int:
    """Wait until every near cache has taken what was acknowledged before this call.

    Args:
        client: Redis; one connection is held while waiting.
        keys: names the channel.
        wait: seconds at most; TIMEOUT where none are given.

    Returns:
        How many near caches have not come past the barrier in that time; 0 is what callers want.

    Raises:
        redis.RedisError: Redis can't be asked.
    """
    if is_cluster(client):
        return 0  # a Cluster can't tell one connection of every change: no worker keeps anything near
    token = secrets.token_hex(8)
    missing = int(client.publish(keys.barrier, token))
    end = time.monotonic() + (TIMEOUT if timeout is None else timeout)
    while missing and (left := end - time.monotonic()) > 0:
        if client.blpop([keys.barrier_acks(token)], timeout=max(left, _MIN_BLPOP_TIMEOUT)) is None:
            break
        missing -= 1
    return missing


def acknowledge(client: RedisClient, keys: Keys, token: bytes) -> None:
    """Say that this near cache has come to a barrier."""
    name = keys.barrier_acks(token.decode("ascii", "replace"))
    try:
        pipeline = client.pipeline(transaction=False)
        pipeline.rpush(name, "")
        pipeline.pexpire(name, _ACK_TTL)
        pipeline.execute()
    except redis.RedisError as problem:
        # Whoever waits gives up by himself, and says so.
        log.debug("barrier not answered: error=%s", problem)
