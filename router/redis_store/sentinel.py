"""Follows the master that the sentinels name, also while no connection is opened."""

import logging
from collections.abc import Sequence

import redis

from router.redis_store.client import check_master, uses_sentinel
from router.redis_store.commands import RedisClient
from router.runtime.background_thread import BackgroundThread

log = logging.getLogger(__name__)

_CHECK_INTERVAL = 0.5
"""Seconds; a failover takes the sentinels longer."""


class MasterWatcher:
    """Asks the sentinels for the master, in a thread of its own; does nothing without Sentinel.

    A former master may be alive, and for some ten seconds no sentinel demotes it: clients connected to it would go on
    reading values that no longer change.
    """

    def __init__(self, clients: Sequence[RedisClient]) -> None:
        self._clients = [client for client in clients if uses_sentinel(client)]
        self._thread = BackgroundThread(
            "redis-master",
            self._check,
            failing="asking the sentinels failed",
            interval=_CHECK_INTERVAL,
            log=log,
            starts_at_once=False,
        )

    def start(self) -> None:
        """Start the thread, once; further calls do nothing."""
        if self._clients and not self._thread.is_alive:
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop()

    def _check(self) -> None:
        for client in self._clients:
            try:
                check_master(client)
            except (redis.RedisError, OSError) as problem:
                log.debug("the sentinels can't name the Redis master: error=%s", problem)
