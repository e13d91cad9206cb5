"""Following the master that the sentinels name, also while nobody connects."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

import redis

from router.redis_store.client import check_master, uses_sentinel

log = logging.getLogger(__name__)

_EVERY = 0.5
"""Seconds between two questions; a failover takes the sentinels longer."""


class MasterWatcher:
    """Asks now and then, in a thread of its own; without Sentinel there is nothing to ask.

    A former master that the sentinels gave up may be alive, and for some ten seconds nobody tells it: who is connected
    there would go on reading what nobody changes any more.
    """

    def __init__(self, clients: Sequence[Any]) -> None:
        self._clients = [client for client in clients if uses_sentinel(client)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-master", daemon=True)

    def start(self) -> None:
        """Begin, once; further calls do nothing."""
        if self._clients and not self._thread.is_alive():
            self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY):
            for client in self._clients:
                try:
                    check_master(client)
                except (redis.RedisError, OSError) as problem:
                    log.debug("the sentinels can't say which Redis is master: %s", problem)
                except Exception:
                    log.exception("asking the sentinels failed")
