"""The service's readiness, derived from polls of Redis, CouchDB and the follower's status."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from router.couch.errors import CouchError
from router.lookup.origin_reader import OriginReader
from router.numbers.kazoo_databases import REFERENCE_DATABASES, SYSTEM_CONFIG
from router.redis_store import follower_status
from router.redis_store.commands import RedisClient
from router.redis_store.follower_status import FollowerStatus
from router.redis_store.keys import Keys
from router.runtime.background_thread import BackgroundThread
from router.runtime.backoff import Backoff
from router.trust.monitor import TrustMonitor
from router.trust.trust import FRESH, UNAVAILABLE

log = logging.getLogger(__name__)

_REDIS_INTERVAL = 0.5
_COUCHDB_INTERVAL = 2.0
_MAX_SPLIT_LAG = 0.5
"""Seconds that the cache may be behind a database of which a shard is split before answers are marked stale. Together
with the follower's and the own interval they are marked within 2 s."""
_MIN_PAUSE_SECONDS = 0.05
"""Between two polls, however long one takes."""


@dataclass(frozen=True, slots=True)
class State:
    """The service's state.

    Attributes:
        name: "no data" (cannot answer), "warming" (answers while the cache is being filled) or "ready".
        redis, database: the store responds.
        follower: its last status; None without one.
        stale: the entries in Redis can't be proved to be current.
        why: one line for operators.
    """

    name: str
    redis: bool
    database: bool
    follower: FollowerStatus | None
    stale: bool
    why: str

    @property
    def serving(self) -> bool:
        """Calls can be answered."""
        return self.name != "no data"


class Readiness:
    """Polls Redis, CouchDB and the follower's status in two threads, so that a slow store does not hide the other.

    Args:
        stale_after: seconds of the follower's silence or lag after which answers are marked stale.
        trust: learns whether Redis responds and whether its entries are current.
        on_change: called with each new state.
        on_return: called when Redis responds again, before anything is read from it.
        on_configuration: called with the cluster's configuration from CouchDB while Redis has none.
    """

    def __init__(
        self,
        client: RedisClient,
        keys: Keys,
        authority: OriginReader,
        trust: TrustMonitor,
        *,
        stale_after: float,
        on_change: Callable[[State], None],
        on_return: Callable[[], None],
        on_configuration: Callable[[dict[str, object] | None], None],
    ) -> None:
        self._redis = client
        self._keys = keys
        self._authority = authority
        self._trust = trust
        self._stale_after = stale_after
        self._on_change = on_change
        self._on_return = on_return
        self._on_configuration = on_configuration
        self._threads = [
            self._poller("readiness-redis", self._poll_redis, _REDIS_INTERVAL),
            self._poller("readiness-couchdb", self._poll_couchdb, _COUCHDB_INTERVAL),
        ]
        self._redis_problem = "not polled yet"
        self._couch_problem = "not polled yet"
        self._follower: FollowerStatus | None = None
        self._lock = threading.Lock()
        self.state = State("no data", redis=False, database=False, follower=None, stale=True, why="starting")

    def start(self) -> None:
        """Start polling."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop polling."""
        for thread in self._threads:
            thread.stop()

    def _poller(self, name: str, poll: Callable[[], None], interval: float) -> BackgroundThread:
        def turn() -> float:
            started = time.monotonic()
            poll()
            self._update_state()
            return max(_MIN_PAUSE_SECONDS, interval - (time.monotonic() - started))

        backoff = Backoff(interval, interval, jitter=0.0)
        return BackgroundThread(
            name, turn, failing="polling the stores failed", interval=interval, log=log, backoff=backoff
        )

    def _poll_redis(self) -> None:
        try:
            self._follower = follower_status.read(self._redis, self._keys, self._follower)
            self._redis_problem = ""
            if self._trust.current.redis is UNAVAILABLE:
                self._on_return()
            self._trust.redis_responded()
        except (redis.RedisError, OSError) as problem:
            self._redis_problem = str(problem) or type(problem).__name__
            # Marks near-cache answers stale from here on, even when no call needs Redis.
            self._trust.redis_failed()

    def _poll_couchdb(self) -> None:
        try:
            self._authority.databases.version()
            if SYSTEM_CONFIG not in self._trust.current.complete:
                self._on_configuration(self._authority.configuration())
            self._couch_problem = ""
        except CouchError as problem:
            self._couch_problem = str(problem)

    def _update_state(self) -> None:
        with self._lock:
            state = self._derive_state()
            self._trust.set_entries_current(current=not state.stale)
            changed = (state.name, state.redis, state.database, state.stale) != (
                self.state.name,
                self.state.redis,
                self.state.database,
                self.state.stale,
            )
            self.state = state
            if changed:
                log.info("%s: %s", state.name, state.why)
                self._on_change(state)

    def _derive_state(self) -> State:
        follower, redis_up, couch_up = self._follower, not self._redis_problem, not self._couch_problem
        silent = (
            follower is None
            or max(follower.age, follower.age + follower.lag if follower.lag else 0.0) > self._stale_after
            or follower.split_lag > _MAX_SPLIT_LAG
        )
        cached = redis_up and follower is not None and follower.complete > 0
        if not (couch_up or cached):
            name = "no data"
        else:
            trust = self._trust.current
            held = trust.reference is FRESH and trust.complete.issuperset(REFERENCE_DATABASES)
            settled = follower is not None and follower.phase == "following" and redis_up and held
            name = "ready" if settled else "warming"
        return State(name, redis_up, couch_up, follower, silent, self._why(follower, silent=silent))

    def _why(self, follower: FollowerStatus | None, *, silent: bool) -> str:
        parts = []
        if self._redis_problem:
            parts.append(f"Redis: {self._redis_problem}")
        if self._couch_problem:
            parts.append(f"CouchDB: {self._couch_problem}")
        if follower is None:
            parts.append("no follower has filled the cache yet (did-router follow, or serve --with-follower)")
        elif silent:
            behind = follower.age + max(follower.lag, follower.split_lag)
            parts.append(f"the follower {follower.leader} is {behind:.0f} s behind: answers are marked stale")
        elif follower.phase != "following":
            parts.append(f"the follower has {follower.complete} of {follower.databases} databases in the cache")
        elif self._trust.current.reference is not FRESH:
            parts.append("accounts, port requests and configuration are not read from Redis yet")
        return "; ".join(parts) or "both stores answer and the follower is up to date"
