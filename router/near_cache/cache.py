"""The near cache: finished answers in the worker's own memory, kept honest by Redis itself.

Redis tells of every key of ours that changes (CLIENT TRACKING in broadcasting mode, redirected to the very
connection that subscribes, RESP2). An invalidation that arrives while its key is being fetched forbids keeping
that fetch. While the connection is down nothing here is trusted; when it is back everything is forgotten first.

On the same connection come barriers: who changed something and must know that no near cache holds the former answer
publishes one, and each near cache says when it has come to it (see `router.near_cache.barrier`).
"""

import logging
import math
import sys
import threading
from collections import OrderedDict
from typing import Any

import redis

from router.near_cache import barrier
from router.near_cache.negative_ranges import NegativeRanges
from router.redis_store.client import server_id
from router.redis_store.commands import RedisClient
from router.redis_store.keys import Keys
from router.redis_store.subscription import Subscription
from router.runtime.background_thread import BackgroundThread
from router.runtime.backoff import Backoff
from router.trust.monitor import TrustMonitor

log = logging.getLogger(__name__)

_CHANNEL = "__redis__:invalidate"
_INVALIDATIONS = _CHANNEL.encode()
_POLL_INTERVAL = 0.5
_MAX_REMEMBERED = 100_000
"""Invalidations remembered for fetches that are on their way."""
_ENTRY_OVERHEAD = 400
"""Bytes that an entry takes besides its answer and the aliases to it."""
_ALIAS_OVERHEAD = 120
"""Bytes that a way to an entry takes besides its own."""
_MAX_ALIAS_LENGTH = 512
"""Bytes; a longer request is looked up by its number."""
_MAX_ALIASES = 8
"""Ways to one entry: some switches put something new into every request."""
_NEGATIVE_SHARE = 16
"""One in so many entries may be a refusal, of a number without a document or without an account. A scan of a million of
those must not push out the entries of numbers that are called."""


class NearEntry:
    """One number's finished answer.

    Attributes:
        alive: false as soon as anything may have changed; a reader drops a dead entry.
        account: that must not be disabled; empty for a refusal.
        answer: a serialised LookupResponse; None for a refusal.
        refusal: what is refused; None for a route.
        prepared: room for what a front makes of a refusal.
        until: on the monotonic clock; refusals of numbers that have no document do not live long.
        aliases: the raw bytes of requests that lead to it.
    """

    __slots__ = ("account", "aliases", "alive", "answer", "prepared", "refusal", "size", "until")

    def __init__(self, account: str, answer: bytes | None, refusal: Any, until: float = math.inf) -> None:
        self.alive = True
        self.account = sys.intern(account)  # one object for all its numbers: it stays in the processor's cache
        self.answer = answer
        self.refusal = refusal
        self.prepared: Any = None
        self.until = until
        self.aliases: list[bytes] = []
        self.size = _ENTRY_OVERHEAD + len(answer or b"")


class NearCache:
    """Entries by number, and by the raw bytes of requests that led to them.

    Reading takes no lock. Writing is done by the lookup's threads and by the invalidation thread; each step is
    one dictionary operation.

    Args:
        entries: numbers kept at most; 0 keeps nothing.
        size: bytes kept at most, roughly.
        trust: tells whether anything may be kept now.

    Attributes:
        by_request: request bytes → entry; an entry that dies is taken out at once.
        negative_ranges: ranges of numbers that have no document.
        evictions: entries that made room for others.
        invalidations: changed keys that were reported.
    """

    def __init__(self, entries: int, size: int, trust: TrustMonitor) -> None:
        self._trust = trust
        self._max_entries = entries
        self._max_bytes = size
        self._bytes = 0
        # A plain dict looks over all that was removed from its front, each time that the oldest is asked for.
        self._numbers: OrderedDict[str, NearEntry] = OrderedDict()
        self._max_negative = max(1, entries // _NEGATIVE_SHARE)
        self._negative: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._generation = 0
        self._floor = 0
        self._invalidated: dict[str, int] = {}
        self.by_request: dict[bytes, NearEntry] = {}
        self.negative_ranges = NegativeRanges()
        self.evictions = 0
        self.invalidations = 0

    @property
    def enabled(self) -> bool:
        """Return whether the near cache keeps anything."""
        return self._max_entries > 0

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return self._bytes

    def get(self, number: str) -> NearEntry | None:
        """The living entry of a number."""
        entry = self._numbers.get(number)
        return entry if entry is not None and entry.alive else None

    def generation(self) -> int:
        """Ask before the rules are looked at and Redis is asked; give it to `keep` and `alias`."""
        return self._generation

    def put(self, number: str, entry: NearEntry, generation: int, raw: bytes | None) -> None:
        """Keep an answer that was fetched from Redis after `generation`, unless its key changed meanwhile."""
        with self._lock:
            if not self._trust.current.receives_invalidations or generation < self._floor:
                return
            if self._invalidated.get(number, -1) > generation:
                return
            self._drop(number)
            self._numbers[number] = entry
            if entry.answer is None:
                self._negative[number] = None
            self._bytes += entry.size
            if raw is not None:
                self._add_alias(raw, entry)
            self._make_room()

    def alias(self, raw: bytes, entry: NearEntry, generation: int) -> None:
        """Let these request bytes lead to an entry too, unless the rules that say so went after `clock`."""
        with self._lock:
            if entry.alive and generation >= self._floor:
                self._add_alias(raw, entry)
                self._make_room()

    def invalidate(self, number: str) -> None:
        """Its key changed."""
        with self._lock:
            self._generation += 1
            self.invalidations += 1
            if len(self._invalidated) >= _MAX_REMEMBERED:
                self._floor = self._generation
                self._invalidated.clear()
            self._invalidated[number] = self._generation
            self._drop(number)
        self.negative_ranges.changed(number)

    def clear(self) -> None:
        """Forget everything; nothing that is being fetched now is kept either."""
        self.negative_ranges.clear()
        with self._lock:
            self._generation += 1
            self._floor = self._generation
            self.by_request.clear()
            for entry in self._numbers.values():
                entry.alive = False
            self._numbers.clear()
            self._negative.clear()
            self._invalidated.clear()
            self._bytes = 0

    def _add_alias(self, raw: bytes, entry: NearEntry) -> None:
        """Under the lock, as are those below."""
        former = self.by_request.get(raw)
        if former is entry or len(raw) > _MAX_ALIAS_LENGTH:
            return
        if former is not None:
            self._remove_alias(raw, former)
        if len(entry.aliases) >= _MAX_ALIASES:
            self._remove_alias(entry.aliases[0], entry)
        self.by_request[raw] = entry
        entry.aliases.append(raw)
        entry.size += len(raw) + _ALIAS_OVERHEAD
        self._bytes += len(raw) + _ALIAS_OVERHEAD

    def _remove_alias(self, raw: bytes, entry: NearEntry) -> None:
        del self.by_request[raw]
        entry.aliases.remove(raw)
        entry.size -= len(raw) + _ALIAS_OVERHEAD
        self._bytes -= len(raw) + _ALIAS_OVERHEAD

    def _make_room(self) -> None:
        while len(self._negative) > self._max_negative:
            self._evict(next(iter(self._negative)))
        while len(self._numbers) > self._max_entries or self._bytes > self._max_bytes:
            self._evict(next(iter(self._numbers)))

    def _evict(self, number: str) -> None:
        self.evictions += 1
        self._drop(number)

    def _drop(self, number: str) -> None:
        entry = self._numbers.pop(number, None)
        if entry is None:
            return
        self._negative.pop(number, None)
        for raw in entry.aliases:
            del self.by_request[raw]
        entry.alive = False
        self._bytes -= entry.size


class InvalidationListener:
    """The connection on which Redis tells what changed, in a thread of its own.

    Args:
        trust: learns whether the connection stands.
    """

    def __init__(self, client: RedisClient, keys: Keys, near: NearCache, trust: TrustMonitor) -> None:
        self._redis = client
        self._keys = keys
        self._near = near
        self._trust = trust
        self._reconnect = threading.Event()
        self._server = ""
        self._thread = BackgroundThread(
            "near-cache",
            self._listen,
            failing="the near cache is not trusted while its connection is down",
            interval=_POLL_INTERVAL,
            log=log,
            expected=(redis.RedisError, OSError),
            logs_repeats=False,
            backoff=Backoff(_POLL_INTERVAL, _POLL_INTERVAL, jitter=0.0),
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._thread.stop()

    def reconnect(self) -> None:
        """Reconnect where a Redis that responds again may be another one; trust nothing before listening to that."""
        try:
            server = server_id(self._redis)
        except redis.RedisError:
            server = ""
        if not server or server != self._server:
            self._reconnect.set()
            self._trust.set_receives_invalidations(receives=False)

    def _listen(self) -> None:
        self._reconnect.clear()
        with Subscription(self._redis) as subscription:
            identifier = subscription.command("CLIENT", "ID")
            prefix = f"{self._keys.prefix}{{+"
            subscription.command("CLIENT", "TRACKING", "ON", "REDIRECT", identifier, "BCAST", "PREFIX", prefix)
            self._server = subscription.server_id()
            subscription.subscribe(_CHANNEL, self._keys.barrier)
            try:
                self._thread.failures = 0
                self._near.clear()
                self._trust.set_receives_invalidations(receives=True)
                while not (self._thread.stopping or self._reconnect.is_set()):
                    published = subscription.receive(_POLL_INTERVAL)
                    if published is None:
                        continue
                    if published.channel == _INVALIDATIONS:
                        self._take(published.content)
                    else:
                        barrier.acknowledge(self._redis, self._keys, published.content)
            finally:
                self._trust.set_receives_invalidations(receives=False)

    def _take(self, changed: list[bytes] | None) -> None:
        if changed is None:  # FLUSHALL
            self._near.clear()
            return
        for key in changed:
            number = self._keys.number_of(key.decode("utf-8", "replace"))
            if number is not None:
                self._near.invalidate(number)
