"""The follower: holds the lease, leads one session after the other, stands by otherwise, and publishes its status."""

import logging
import threading
import time

import redis

from router.follower.account_copy_repairer import AccountCopyRepairer, pending_copies
from router.follower.applier import Applier
from router.follower.configuration import is_complete, read_rules
from router.follower.leader_session import LeaderSession
from router.redis_store import follower_status
from router.redis_store.client import server_id
from router.redis_store.follower_status import FollowerStatus
from router.redis_store.integrity_scan import IntegrityScan
from router.runtime.background_thread import BackgroundThread
from router.runtime.histograms import Histograms
from router.settings import Settings
from router.settings.rules import build_rules
from router.stores.clients import Stores

log = logging.getLogger(__name__)

_STATUS_INTERVAL = 1.0
"""Seconds between two published statuses."""
_SPLIT_STATUS_INTERVAL = 0.25
"""Seconds between two of them while a shard is split: services mark answers by it long before `stale_after`."""
VISIBILITY_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds from the moment in which a change is noticed to its being in Redis."""
_MAX_REPORTED_LAGS = 100
"""Databases named in a status: those that are furthest behind."""


class Follower:
    """Keeps the cache up to date while it holds the lease.

    Attributes:
        status: its last status; None while it stands by.
        leading: set while it holds the lease.
        visibility: seconds from a change's being noticed to its being in Redis.
    """

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._pending = pending_copies(settings, stores)
        self._couch = stores.databases
        self._cache = stores.writer
        self._reader = stores.reader
        self._lease = stores.lease()
        self._is_standby = False
        # Without this thread the cache would not be kept up to date any more.
        self._thread = BackgroundThread(
            "follower",
            self._try_to_lead,
            failing="leading failed",
            interval=self._lease.ttl / 3,
            log=log,
            expected=(redis.RedisError,),
        )
        self._applied_before = 0
        self._applier: Applier | None = None
        self.visibility = Histograms(VISIBILITY_BOUNDS)
        self.leading = threading.Event()
        self.status: FollowerStatus | None = None

    @property
    def applied(self) -> int:
        """The number of changes that this follower wrote to Redis."""
        applier = self._applier
        return self._applied_before + (0 if applier is None else applier.counts["applied"])

    def start(self) -> None:
        """Run in a thread."""
        self._stores.master_watcher.start()
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Request a stop; safe in a signal handler."""
        self._thread.stop()

    def stop(self) -> None:
        """Stop, and release the lease, so that another follower can lead at once."""
        self.ask_to_stop()
        self._thread.join(10)

    def run(self) -> None:
        """Lead whenever the lease is free, until stopped."""
        self._stores.master_watcher.start()
        self._thread.run()

    def _try_to_lead(self) -> float | None:
        token = self._lease.acquire()
        self._thread.failures = 0
        if not token:
            if not self._is_standby:
                log.info("standing by, another follower leads: owner=%s", self._lease.holder())
            self._is_standby = True
            return None
        self._is_standby = False
        self._lead(token)
        return 0.0

    def _lead(self, token: int) -> None:
        log.info("leading: owner=%s token=%d", self._lease.owner, token)
        redis_server = server_id(self._cache.redis)
        policy = build_rules(self._settings, None).policy
        applier = Applier(self._cache, self._reader, self._couch, token, policy, pending=self._pending)
        session = LeaderSession(
            self._settings,
            self._couch,
            self._cache,
            applier,
            IntegrityScan(self._cache.redis, self._cache.keys, self._reader),
            lambda: self._configure(session, applier),
            unobserved=_unobserved_seconds(follower_status.read(self._cache.redis, self._cache.keys)),
            on_visible=lambda seconds: self.visibility.observe((), seconds),
        )
        self._applier = applier
        repairer = AccountCopyRepairer(self._settings, self._stores, self._pending) if self._pending else None
        self.leading.set()
        session.start()
        if repairer is not None:
            repairer.start()
        try:
            self._keep_lease(session, applier, token, redis_server)
        finally:
            self.leading.clear()
            session.close()
            self._applied_before, self._applier = self.applied, None
            if repairer is not None:
                repairer.close()
            self._leave()

    def _keep_lease(self, session: LeaderSession, applier: Applier, token: int, redis_server: str) -> None:
        """Renew the lease and publish the status.

        Returns when the lease is lost, Redis is another server, the session is over or the follower is stopped.
        """
        kept = time.monotonic()
        while not (self._thread.stopping or session.stop.is_set()):
            now = time.monotonic()
            try:
                if now - kept >= self._lease.ttl / 3:
                    if self._lease.acquire() != token:
                        log.warning("the lease was lost; missed changes are read again")
                        return
                    kept = now
                if server_id(self._cache.redis) != redis_server:
                    log.warning("Redis was restarted or replaced; what it may have lost is read again")
                    return
                self.status = self._describe(session, applier)
                session.integrity_checker.check_reference_documents()
                follower_status.publish(self._cache.redis, self._cache.keys, self.status)
            except redis.RedisError as problem:
                if now - kept > self._lease.ttl:
                    log.warning("Redis did not answer while the lease lapsed: error=%s", problem)
                    return
            status_interval = _STATUS_INTERVAL if session.split_lag(now) is None else _SPLIT_STATUS_INTERVAL
            # A short lease has to be renewed more often than the status.
            interval = min(status_interval, self._lease.ttl / 6)
            self._thread.wait(max(0.0, now + interval - time.monotonic()))

    def _leave(self) -> None:
        self.status = None
        try:
            self._lease.release()
        except redis.RedisError:
            log.info("Redis is away; the lease lapses by itself")

    def _describe(self, session: LeaderSession, applier: Applier) -> FollowerStatus:
        now = time.monotonic()
        databases = session.scheduler.databases()
        complete = sum(each.checkpoint.complete for each in databases)
        lags = {each.name: round(lag, 3) for each in databases if (lag := session.lag_of(each, now)) > 0}
        is_caught_up = session.reconciler.swept.is_set() and complete == len(databases)
        connected = session.watcher.up
        return FollowerStatus(
            leader=self._lease.owner,
            at=time.time(),
            phase="following" if is_caught_up else "warming",
            databases=len(databases),
            complete=complete,
            behind=len(lags),
            lag=round(max([session.unobserved_seconds(now), *lags.values()]), 3),
            lags=dict(sorted(lags.items(), key=lambda each: -each[1])[:_MAX_REPORTED_LAGS]),
            applied=applier.counts["applied"],
            feeds=sum(each.feed is not None for each in databases) + int(connected),
            database_up=connected,
            copies_pending=self._pending.size() if self._pending else 0,
            split_lag=round(session.split_lag(now) or 0.0, 3),
        )

    def _configure(self, session: LeaderSession, applier: Applier) -> None:
        """Apply the cluster's configuration; read every database again where it changes routing decisions."""
        rules = read_rules(self._settings, self._cache)
        if rules.policy != applier.policy and is_complete(self._cache):
            applier.policy = rules.policy
            session.scheduler.wake_all()


def _unobserved_seconds(last: FollowerStatus | None) -> float:
    """Return the seconds for which no leader has kept the cache up to date, by the former leader's last status."""
    return 0.0 if last is None else last.age + last.lag
