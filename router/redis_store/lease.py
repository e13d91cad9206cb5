"""The follower's lease: one leads, the others stand by, and a token that only grows fences off the late."""

import os
import socket
from typing import Any

from router.redis_store import scripts
from router.redis_store.keys import Keys


def owner_name() -> str:
    """Who holds it: host, process and a mark that a restarted process does not share."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"


class Lease:
    """A lease that has to be kept alive.

    Args:
        life: seconds after which it lapses.
    """

    def __init__(self, redis: Any, keys: Keys, life: float, owner: str | None = None) -> None:
        self._redis = redis
        self._keys = keys
        self.life = life
        self.owner = owner or owner_name()

    def take(self) -> int:
        """Take it or keep it.

        Returns:
            The fencing token; 0 when somebody else holds the lease.

        Raises:
            redis.RedisError: Redis can't be asked.
        """
        from_keys = [self._keys.lease, self._keys.token]
        return int(scripts.lease(self._redis, from_keys, self.owner, int(self.life * 1000)))

    def holder(self) -> str:
        """Who holds it now; empty for nobody."""
        held = self._redis.get(self._keys.lease)
        return "" if held is None else held.decode().partition(" ")[2]

    def give_up(self) -> None:
        """Let the next one in at once, if it is ours."""
        scripts.release_lease(self._redis, [self._keys.lease], self.owner)
