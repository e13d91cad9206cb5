"""The follower's published status: read for the staleness of answers, readiness, Explain and operators.

Its age comes from Redis' clock, and from then on from this process' monotonic clock: hosts' clocks differ, and jump.
"""

import json
import math
import time
from dataclasses import dataclass, fields, replace
from typing import Any

from router.redis_store import scripts
from router.redis_store.commands import RedisClient
from router.redis_store.keys import Keys


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """The status of a leading follower.

    Attributes:
        leader: the name of the lease's owner.
        at: when it was published, Unix seconds by the follower's own clock: for people.
        phase: "warming" until every database is complete, then "following".
        databases: how many it follows; complete: how many of them are wholly in the cache.
        behind: databases with changes noticed and not applied yet.
        lag: seconds that the oldest noticed change waits.
        applied: changes applied since this follower leads.
        feeds: continuous feeds open.
        lags: lag in seconds by database, of the databases that lag most.
        database_up: CouchDB's feed of updates is connected.
        split_lag: seconds that the cache is behind a database of which a shard is split. CouchDB sends all rows of the
            shard again, so it takes long to know which numbers changed.
        copies_pending: changes whose account copies have not been checked yet.
        stamp: Redis' own time of the publication; it tells two publications apart.
        published_at: of the publication, on this process' monotonic clock.
    """

    leader: str
    at: float
    phase: str
    databases: int
    complete: int
    behind: int
    lag: float
    applied: int
    feeds: int
    database_up: bool
    lags: dict[str, float]
    copies_pending: int = 0
    split_lag: float = 0.0
    stamp: bytes = b""
    published_at: float = 0.0

    @property
    def age(self) -> float:
        """Seconds since it was published."""
        return max(0.0, time.monotonic() - self.published_at)

    def to_json(self) -> dict[str, Any]:
        """Return the published fields."""
        return {name: getattr(self, name) for name in _PUBLISHED_FIELDS}


_PUBLISHED_FIELDS = tuple(each.name for each in fields(FollowerStatus) if each.name not in {"stamp", "published_at"})


def publish(redis: RedisClient, keys: Keys, status: FollowerStatus) -> None:
    """Publish a status.

    Raises:
        redis.RedisError: Redis can't be reached, or refuses to write.
    """
    scripts.publish_status(redis, [keys.status], json.dumps(status.to_json()))


def read(redis: RedisClient, keys: Keys, previous: FollowerStatus | None = None) -> FollowerStatus | None:
    """Return the status published last; None when no follower ever published one, or it can't be read.

    Args:
        previous: the result of the previous read. It is returned as it is while nothing new was published, so it only
            grows older, whatever Redis' clock does.

    Raises:
        redis.RedisError: Redis can't be reached.
    """
    asked_at = time.monotonic()
    reply = scripts.read_status(redis, [keys.status])
    if reply is None:
        return None
    stamp, age, text = reply
    if previous is not None and previous.stamp == stamp:
        return previous
    try:
        stored = json.loads(text)
        # A follower of another version may publish more than this one knows.
        status = FollowerStatus(**{name: stored[name] for name in _PUBLISHED_FIELDS if name in stored})
    except (ValueError, TypeError, RecursionError):
        return None
    if not _is_valid(status):
        return None
    return replace(status, stamp=stamp, published_at=asked_at - max(0, int(age)) / 1_000_000)


def _is_valid(status: FollowerStatus) -> bool:
    """Return whether its fields are of their types and finite: another program may have written the key."""
    if not isinstance(status.lags, dict) or not isinstance(status.leader, str) or not isinstance(status.phase, str):
        return False
    counts = (
        status.databases,
        status.complete,
        status.behind,
        status.applied,
        status.feeds,
        status.copies_pending,
    )
    numbers = (status.at, status.lag, status.split_lag, *counts, *status.lags.values())
    return all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
