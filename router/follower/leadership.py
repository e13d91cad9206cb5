"""The lease held for the duration of a block, by a command that fills the cache as a follower does."""

import logging
import threading
import time
from types import TracebackType
from typing import Self

import redis

from router.redis_store.lease import Lease

log = logging.getLogger(__name__)


class Leadership:
    """Holds the lease while the block runs; a thread renews it.

    Attributes:
        token: the fencing token; 0 when another process leads.
        lost: set when the lease was lost.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leadership", daemon=True)
        self.lost = threading.Event()
        self.token = 0

    def __enter__(self) -> Self:
        self.token = self._lease.acquire()
        if self.token:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if not self.token:
            return
        self._thread.join()
        try:
            self._lease.release()
        except redis.RedisError as away:
            log.info("the lease lapses by itself: %s", away)

    def _keep(self) -> None:
        kept = time.monotonic()
        while not self._done.wait(self._lease.ttl / 3):
            try:
                if self._lease.acquire() != self.token:
                    self.lost.set()
                    return
                kept = time.monotonic()
            except redis.RedisError as problem:
                log.warning("the lease can't be renewed: %s", problem)
            except Exception:
                log.exception("renewing the lease failed")
            if time.monotonic() - kept > self._lease.ttl:
                self.lost.set()
                return
