"""Whether the service can answer, and from what: kept up to date by looking at both stores."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from router.couch.errors import CouchError
from router.lookup.circuit_breaker import CircuitBreaker
from router.lookup.engine import LookupEngine
from router.lookup.origin_reader import OriginReader
from router.numbers.kazoo_databases import SYSTEM_CONFIG
from router.redis_store import follower_status
from router.redis_store.follower_status import FollowerStatus
from router.redis_store.keys import Keys
from router.reference_data.reference_data import ReferenceData

log = logging.getLogger(__name__)

_REDIS_EVERY = 0.5
_COUCH_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class State:
    """What the service can do now.

    Attributes:
        name: "no data" (can't answer), "warming" (answers, the cache is being filled) or "ready".
        redis, database: the store answers.
        follower: its last account of itself; None when there is none.
        stale: what Redis holds can't be known to be current.
        why: one line for people.
    """

    name: str
    redis: bool
    database: bool
    follower: FollowerStatus | None
    stale: bool
    why: str

    @property
    def serving(self) -> bool:
        """Whether calls get answers."""
        return self.name != "no data"


class Readiness:
    """Watches Redis, CouchDB and the follower in two threads, so that a slow one hides nothing of the other.

    Args:
        stale_after: seconds without a sign of the follower, or of lag, that answers may keep silent about.
        redis_breaker: closed again as soon as Redis answers.
        on_change: told each new state.
        on_return: called when Redis answers again, before anything is read there.
        on_configuration: told the cluster's configuration read from CouchDB while Redis has none.
    """

    def __init__(
        self,
        client: object,
        keys: Keys,
        authority: OriginReader,
        lookup: LookupEngine,
        followed: ReferenceData,
        *,
        stale_after: float,
        redis_breaker: CircuitBreaker,
        on_change: Callable[[State], None],
        on_return: Callable[[], None],
        on_configuration: Callable[[dict[str, object] | None], None],
    ) -> None:
        self._redis = client
        self._keys = keys
        self._authority = authority
        self._lookup = lookup
        self._followed = followed
        self._stale_after = stale_after
        self._redis_breaker = redis_breaker
        self._on_change = on_change
        self._on_return = on_return
        self._on_configuration = on_configuration
        self._stop = threading.Event()
        self._redis_problem = "not asked yet"
        self._couch_problem = "not asked yet"
        self._told: FollowerStatus | None = None
        self._lock = threading.Lock()
        self.state = State("no data", redis=False, database=False, follower=None, stale=True, why="starting")

    def start(self) -> None:
        """Begin watching."""
        for name, look, every in (
            ("readiness-redis", self._look_at_redis, _REDIS_EVERY),
            ("readiness-couchdb", self._look_at_couch, _COUCH_EVERY),
        ):
            threading.Thread(target=self._run, args=(look, every), name=name, daemon=True).start()

    def stop(self) -> None:
        """End watching."""
        self._stop.set()

    def _run(self, look: Callable[[], None], every: float) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                look()
                self._conclude()
            except Exception:
                log.exception("looking at the stores failed")
            self._stop.wait(max(0.05, every - (time.monotonic() - began)))

    def _look_at_redis(self) -> None:
        try:
            self._told = follower_status.read(self._redis, self._keys, self._told)
            self._redis_problem = ""
            if self._redis_breaker.is_open:
                self._on_return()
            self._redis_breaker.succeeded()
        except (redis.RedisError, OSError) as problem:
            self._redis_problem = str(problem) or type(problem).__name__
            # What is kept near is marked stale from here on, though nobody may ask for anything else.
            self._redis_breaker.failed()

    def _look_at_couch(self) -> None:
        try:
            self._authority.databases.version()
            if not self._followed.loaded[SYSTEM_CONFIG]:
                self._on_configuration(self._authority.configuration())
            self._couch_problem = ""
        except CouchError as problem:
            self._couch_problem = str(problem)

    def _conclude(self) -> None:
        with self._lock:
            state = self._judge()
            self._lookup.stale = state.stale
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

    def _judge(self) -> State:
        told, redis_up, couch_up = self._told, not self._redis_problem, not self._couch_problem
        silent = told is None or max(told.age, told.age + told.lag if told.lag else 0.0) > self._stale_after
        cached = redis_up and told is not None and told.complete > 0
        if not (couch_up or cached):
            name = "no data"
        else:
            held = self._followed.fresh and all(self._followed.loaded.values())
            settled = told is not None and told.phase == "following" and redis_up and held
            name = "ready" if settled else "warming"
        return State(name, redis_up, couch_up, told, silent, self._why(told, silent=silent))

    def _why(self, told: FollowerStatus | None, *, silent: bool) -> str:
        parts = []
        if self._redis_problem:
            parts.append(f"Redis: {self._redis_problem}")
        if self._couch_problem:
            parts.append(f"CouchDB: {self._couch_problem}")
        if told is None:
            parts.append("no follower has filled the cache yet (did-router follow, or serve --with-follower)")
        elif silent:
            parts.append(f"the follower {told.leader} is {told.age + told.lag:.0f} s behind: answers are marked stale")
        elif told.phase != "following":
            parts.append(f"the follower has {told.complete} of {told.databases} databases in the cache")
        elif not self._followed.fresh:
            parts.append("accounts, port requests and configuration are not read from Redis yet")
        return "; ".join(parts) or "both stores answer and the follower is up to date"
