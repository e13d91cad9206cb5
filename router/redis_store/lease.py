"""The follower's lease: one process leads, the others stand by, and a growing token fences off late writers."""

import os
import socket

from router.redis_store import scripts
from router.redis_store.commands import RedisClient
from router.redis_store.keys import Keys


def new_owner_name() -> str:
    """Return a name for an owner: host, process id and a random mark, since a restarted process may get the same id."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"


class Lease:
    """A lease that its owner has to renew.

    Args:
        ttl: seconds after which it expires.
    """

    def __init__(self, redis: RedisClient, keys: Keys, ttl: float, owner: str | None = None) -> None:
        self._redis = redis
        self._keys = keys
        self.ttl = ttl
        self.owner = owner or new_owner_name()

    def acquire(self) -> int:
        """Acquire or renew the lease.

        Returns:
            The fencing token; 0 when another owner holds the lease.

        Raises:
            redis.RedisError: Redis can't be reached.
        """
        keys = [self._keys.lease, self._keys.token]
        return int(scripts.lease(self._redis, keys, self.owner, int(self.ttl * 1000)))

    def holder(self) -> str:
        """Return the name of the current owner; empty for none."""
        stored = self._redis.get(self._keys.lease)
        return "" if stored is None else stored.decode().partition(" ")[2]

    def release(self) -> None:
        """Release the lease at once, if this owner holds it."""
        scripts.release_lease(self._redis, [self._keys.lease], self.owner)
