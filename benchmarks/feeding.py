"""Changes written as fast as the database takes them, by _bulk_docs: what the follower applies, and how late."""

import random
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any

import redis

from benchmarks.deployment import ACCOUNTS, Deployment, deployment, document, number, parser, percentile
from router.entries.codec import VERSION, version_of
from router.redis_store.client import connect
from router.redis_store.commands import RedisClient
from router.redis_store.follower_status import FollowerStatus, read
from router.redis_store.keys import Keys

KEYS = Keys("did-router:")
_BULK = 100
_PATIENCE = 120.0


@dataclass(slots=True)
class Fed:
    """The measured figures.

    Attributes:
        start: seconds from the follower's start until everything was in the cache.
        alone: changes a second that _bulk_docs takes while nobody follows.
        written, applied: the same while followed; applied counts until the last one was in the cache.
        lags: seconds from a bulk's acknowledgement until its last change was in Redis.
    """

    databases: int
    documents: int
    start: float
    alone: float
    written: float
    applied: float
    lags: list[float]

    def row(self) -> dict[str, float]:
        """For the results file."""
        shares = {f"lag_p{share * 100:g}": percentile(self.lags, share) for share in (0.5, 0.99)} if self.lags else {}
        plain = {"databases": self.databases, "documents": self.documents, "start": self.start}
        plain["alone"] = self.alone
        return {**plain, "written": self.written, "applied": self.applied, **shares}


def main() -> None:
    """Run it."""
    options = parser(__doc__ or "", databases=50, documents=20_000)
    options.add_argument("--seconds", type=float, default=10, help="of writing (%(default)s)")
    given = options.parse_args()
    with deployment(given.couchdb_url, given.databases, given.documents) as on:
        print(summary(feed(on, given.documents, given.seconds)))


def summary(seen: Fed) -> str:
    """In words."""
    lags = f"lag p50 {percentile(seen.lags, 0.5):.2f} s, p99 {percentile(seen.lags, 0.99):.2f} s" if seen.lags else ""
    return (
        f"{seen.databases:,} databases: in the cache after {seen.start:.1f} s; "
        f"_bulk_docs takes {seen.alone:,.0f} changes/s alone, {seen.written:,.0f}/s while followed, "
        f"{seen.applied:,.0f}/s applied; {lags}"
    )


def feed(on: Deployment, documents: int, seconds: float, seed: int = 1) -> Fed:
    """Start a follower, write for a while, and wait until it is up to date; documents in all, spread evenly."""
    redis.Redis.from_url(on.redis_url).flushall()
    client = connect(on.redis_url, timeout=10)
    each, chance = max(1, documents // len(on.names)), random.Random(seed)
    revisions: dict[str, str] = {}
    began = time.monotonic()
    alone = _write(on, each, seconds / 2, chance, revisions) / (time.monotonic() - began)
    began = time.monotonic()
    follower = subprocess.Popen(on.command("follow", "--log-level", "error"))
    try:
        _wait(client, lambda result: result.phase == "following" and not result.behind)
        start = time.monotonic() - began
        watcher = _Watcher(on.redis_url)
        watcher.start()
        began = time.monotonic()
        count = _write(on, each, seconds, chance, revisions, watcher)
        writing = time.monotonic() - began
        watcher.finish()
        return Fed(
            len(on.names), documents, start, alone, count / writing, count / (time.monotonic() - began), watcher.lags
        )
    finally:
        follower.terminate()
        follower.wait()


class _Watcher(threading.Thread):
    """Looks into Redis for the last change of every bulk."""

    def __init__(self, redis_url: str) -> None:
        super().__init__(daemon=True)
        self._redis = redis.Redis.from_url(redis_url)
        self._waiting: list[tuple[str, bytes, float]] = []
        self._lock = threading.Lock()
        self._done = threading.Event()
        self.lags: list[float] = []

    def expect(self, identifier: str, revision: str) -> None:
        """A number will have this revision, or a later one."""
        with self._lock:
            self._waiting.append((KEYS.number(identifier), version_of(revision), time.monotonic()))

    def finish(self) -> None:
        """Wait until everything expected was seen."""
        self._done.set()
        self.join(_PATIENCE)
        if self._waiting:
            raise SystemExit(f"{len(self._waiting)} changes were not in Redis after {_PATIENCE:.0f} s")

    def run(self) -> None:
        """Look every few milliseconds, at what was written first."""
        while not (self._done.is_set() and not self._waiting):
            with self._lock:
                looked = self._waiting[:200]
            if not looked:
                time.sleep(0.005)
                continue
            found: Any = self._redis.mget([key for key, _, _ in looked])
            now = time.monotonic()
            seen = {
                each
                for each, value in zip(looked, found, strict=True)
                if value is not None and value[:VERSION] >= each[1]
            }
            self.lags += [now - at for _, _, at in seen]
            with self._lock:
                self._waiting = [each for each in self._waiting if each not in seen]
            time.sleep(0.005)


def _write(
    on: Deployment,
    each: int,
    seconds: float,
    chance: random.Random,
    revisions: dict[str, str],
    watcher: _Watcher | None = None,
) -> int:
    size, count, end = min(_BULK, each), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        name = chance.choice(on.names)
        identifiers = [number(name, index) for index in chance.sample(range(each), size)]
        unknown = [identifier for identifier in identifiers if identifier not in revisions]
        for identifier, found in on.databases.database(name).get_many(unknown).items() if unknown else ():
            revisions[identifier] = str((found or {})["_rev"])
        owner = chance.choice(ACCOUNTS)
        made = [document(identifier, owner) | {"_rev": revisions[identifier]} for identifier in identifiers]
        for identifier, row in zip(identifiers, on.databases.database(name).put_many(made), strict=True):
            revisions[identifier] = str(row["rev"])
        if watcher is not None:
            watcher.expect(identifiers[-1], revisions[identifiers[-1]])
        count += len(made)
    return count


def _wait(client: RedisClient, settled: Any) -> FollowerStatus:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        result = read(client, KEYS)
        if result is not None and settled(result):
            return result
        time.sleep(0.05)
    raise SystemExit(f"the follower is not up to date after {_PATIENCE:.0f} s")


if __name__ == "__main__":
    main()
