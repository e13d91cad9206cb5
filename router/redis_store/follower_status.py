"""What the follower tells about itself, for answers' staleness, health, explain and operators.

How long ago it said so is Redis' to tell, and from then on the monotonic clock's: hosts' clocks differ, and jump.
"""

import json
import math
import time
from dataclasses import dataclass, fields, replace
from typing import Any

from router.redis_store import scripts
from router.redis_store.keys import Keys


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """A leading follower's own account of itself.

    Attributes:
        leader: who.
        at: when it said so, Unix seconds by the follower's own clock: for people.
        phase: "warming" until every database is complete, then "following".
        databases: how many it follows; complete: how many of them are wholly in the cache.
        behind: databases with changes noticed and not applied yet.
        lag: seconds that the oldest noticed change waits.
        applied: changes applied since this follower leads.
        feeds: continuous feeds open.
        lags: seconds behind, by database, of the worst that are behind at all.
        database_up: CouchDB's feed of updates stands.
        copies_pending: changes whose account copies have yet to be looked at.
        mark: Redis' own time at which it was told; another one is another telling.
        since: when it was told, on this process' monotonic clock.
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
    mark: bytes = b""
    since: float = 0.0

    @property
    def age(self) -> float:
        """Seconds since it said so."""
        return max(0.0, time.monotonic() - self.since)

    def said(self) -> dict[str, Any]:
        """Its own words, for JSON."""
        return {name: getattr(self, name) for name in _WORDS}


_WORDS = tuple(each.name for each in fields(FollowerStatus) if each.name not in {"mark", "since"})


def publish(redis: Any, keys: Keys, status: FollowerStatus) -> None:
    """Say it."""
    scripts.publish_status(redis, [keys.status], json.dumps(status.said()))


def read(redis: Any, keys: Keys, before: FollowerStatus | None = None) -> FollowerStatus | None:
    """What was said last; None when no follower ever said anything.

    Args:
        before: what was read last time. Where nothing was said since, it only grows older, whatever Redis' clock does.
    """
    asked = time.monotonic()
    told = scripts.read_status(redis, [keys.status])
    if told is None:
        return None
    mark, age, words = told
    if before is not None and before.mark == mark:
        return before
    try:
        said = FollowerStatus(**json.loads(words))
    except (ValueError, TypeError, RecursionError):
        return None
    return replace(said, mark=mark, since=asked - max(0, int(age)) / 1_000_000) if _is_sound(said) else None


def _is_sound(said: FollowerStatus) -> bool:
    """Whether what stands under our key can be calculated with: somebody else may have written it."""
    if not isinstance(said.lags, dict) or not isinstance(said.leader, str) or not isinstance(said.phase, str):
        return False
    counts = (said.databases, said.complete, said.behind, said.applied, said.feeds, said.copies_pending)
    numbers = (said.at, said.lag, *counts, *said.lags.values())
    return all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
