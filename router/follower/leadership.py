"""The lease held for the duration of a block, by a command that fills the cache as a follower does."""

import logging
import threading
import time
from types import TracebackType
from typing import Self

import redis

from router.redis_store.lease import Lease
from router.runtime.background_thread import BackgroundThread
from router.runtime.backoff import Backoff

log = logging.getLogger(__name__)


class Leadership:
    """Holds the lease while the block runs; a thread renews it.

    Attributes:
        token: the fencing token; 0 when another process leads.
        lost: set when the lease was lost.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._renewed_at = 0.0
        interval = lease.ttl / 3
        self._thread = BackgroundThread(
            "leadership",
            self._renew,
            failing="the lease can't be renewed",
            interval=interval,
            log=log,
            starts_at_once=False,
            expected=(redis.RedisError,),
            backoff=Backoff(interval, interval, jitter=0.0),
        )
        self.lost = threading.Event()
        self.token = 0

    def __enter__(self) -> Self:
        self.token = self._lease.acquire()
        self._renewed_at = time.monotonic()
        if self.token:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.stop()
        if not self.token:
            return
        self._thread.join()
        try:
            self._lease.release()
        except redis.RedisError as away:
            log.info("the lease lapses by itself: error=%s", away)

    def _renew(self) -> None:
        try:
            if self._lease.acquire() == self.token:
                self._renewed_at = time.monotonic()
            else:
                self._lose()
        finally:
            if time.monotonic() - self._renewed_at > self._lease.ttl:
                self._lose()

    def _lose(self) -> None:
        self.lost.set()
        self._thread.stop()
