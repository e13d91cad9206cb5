"""The follower: holds the lease, leads term after term, stands by otherwise, and tells how it is."""

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
from router.runtime.backoff import RECONNECT
from router.settings import Settings
from router.settings.rules import build_rules
from router.stores.clients import Stores

log = logging.getLogger(__name__)

_STATUS_INTERVAL = 1.0
"""Seconds between two accounts of itself."""
_MAX_REPORTED_LAGS = 100
"""CouchServer named in an account of itself: the worst of those that are behind."""


class Follower:
    """Keeps the cache true while it holds the lease.

    Attributes:
        status: its last account of itself; None while it stands by.
        leading: set while it holds the lease.
    """

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._pending = pending_copies(settings, stores)
        self._databases = stores.databases
        self._writer = stores.writer
        self._reader = stores.patient_reader
        self._lease = stores.lease()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, name="follower", daemon=True)
        self.leading = threading.Event()
        self.status: FollowerStatus | None = None

    def start(self) -> None:
        """Run in a thread."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Have it stop soon; safe in a signal handler."""
        self._stop.set()

    def stop(self) -> None:
        """Stop, and let the next one in at once."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def run(self) -> None:
        """Lead whenever the lease can be had, until stopped."""
        self._stores.master.start()
        failures = 0
        standing_by = False
        while not self._stop.is_set():
            try:
                token = self._lease.acquire()
                failures = 0
                if not token:
                    if not standing_by:
                        log.info("another follower leads (%s); standing by", self._lease.holder())
                    standing_by = True
                    self._stop.wait(self._lease.ttl / 3)
                    continue
                standing_by = False
                self._lead(token)
            except redis.RedisError as problem:
                failures += 1
                wait = RECONNECT.delay(failures)
                log.warning("Redis can't be asked for the lease, again in %.1f s: %s", wait, problem)
                self._stop.wait(wait)
            except Exception:
                # Without this thread nobody would keep the cache true any more.
                failures += 1
                wait = RECONNECT.delay(failures)
                log.exception("leading failed, again in %.1f s", wait)
                self._stop.wait(wait)

    def _lead(self, token: int) -> None:
        log.info("leading as %s with token %d", self._lease.owner, token)
        redis_server = server_id(self._writer.redis)
        policy = build_rules(self._settings, None).policy
        applier = Applier(self._writer, self._reader, self._databases, token, policy, pending=self._pending)
        term = LeaderSession(
            self._settings,
            self._databases,
            self._writer,
            applier,
            IntegrityScan(self._writer.redis, self._writer.keys, self._reader),
            lambda: self._configure(term, applier),
            unseen=_seconds_unobserved(follower_status.read(self._writer.redis, self._writer.keys)),
        )
        keeper = AccountCopyRepairer(self._settings, self._stores, self._pending) if self._pending else None
        self.leading.set()
        term.start()
        if keeper is not None:
            keeper.start()
        try:
            self._keep_lease(term, applier, token, redis_server)
        finally:
            self.leading.clear()
            term.end()
            if keeper is not None:
                keeper.close()
            self._leave()

    def _keep_lease(self, term: LeaderSession, applier: Applier, token: int, redis_server: str) -> None:
        """Renew and tell until the lease is lost, Redis is another one, the term ends or we are stopped."""
        kept = time.monotonic()
        # A short lease has to be looked after more often than the status.
        tick = min(_STATUS_INTERVAL, self._lease.ttl / 6)
        while not (self._stop.is_set() or term.stop.is_set()):
            now = time.monotonic()
            try:
                if now - kept >= self._lease.ttl / 3:
                    if self._lease.acquire() != token:
                        log.warning("the lease was lost; what was missed is read again")
                        return
                    kept = now
                if server_id(self._writer.redis) != redis_server:
                    log.warning("Redis was restarted or replaced; what it may have lost is read again")
                    return
                self.status = self._describe(term, applier)
                term.patrol.look_after_followed()
                follower_status.publish(self._writer.redis, self._writer.keys, self.status)
            except redis.RedisError as problem:
                if now - kept > self._lease.ttl:
                    log.warning("Redis did not answer while the lease lapsed: %s", problem)
                    return
            self._stop.wait(max(0.0, now + tick - time.monotonic()))

    def _leave(self) -> None:
        self.status = None
        try:
            self._lease.release()
        except redis.RedisError:
            log.info("Redis is away; the lease lapses by itself")

    def _describe(self, term: LeaderSession, applier: Applier) -> FollowerStatus:
        now = time.monotonic()
        targets = list(term.targets.values())
        complete = sum(target.checkpoint.complete for target in targets)
        lags = {target.name: round(lag, 3) for target in targets if (lag := term.lag_of(target, now)) > 0}
        settled = term.sweeper.swept.is_set() and complete == len(targets)
        return FollowerStatus(
            leader=self._lease.owner,
            at=time.time(),
            phase="following" if settled else "warming",
            databases=len(targets),
            complete=complete,
            behind=len(lags),
            lag=round(max([term.unobserved_seconds(now), *lags.values()]), 3),
            lags=dict(sorted(lags.items(), key=lambda each: -each[1])[:_MAX_REPORTED_LAGS]),
            applied=applier.counts["applied"],
            feeds=sum(target.feed is not None for target in targets) + int(term.watch.up),
            database_up=term.watch.up,
            copies_pending=self._pending.size() if self._pending else 0,
        )

    def _configure(self, term: LeaderSession, applier: Applier) -> None:
        """Take over the cluster's configuration; where it changes answers, every database is read again."""
        rules = read_rules(self._settings, self._writer)
        if rules.policy != applier.policy and is_complete(self._writer):
            applier.policy = rules.policy
            term.wake_all()


def _seconds_unobserved(check_requested: FollowerStatus | None) -> float:
    """Seconds for which nobody has vouched for the cache, going by who led before."""
    return 0.0 if check_requested is None else check_requested.age + check_requested.lag
