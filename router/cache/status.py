"""What the follower tells about itself, for answers' staleness, health, explain and operators."""

import json
import math
import time
from dataclasses import asdict, dataclass
from typing import Any

from router.cache.keys import Keys


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """A leading follower's own account of itself.

    Attributes:
        leader: who.
        at: when it said so, Unix seconds.
        phase: "warming" until every database is complete, then "following".
        databases: how many it follows; complete: how many of them are wholly in the cache.
        behind: databases with changes noticed and not applied yet.
        lag: seconds that the oldest noticed change waits.
        applied: changes applied since this follower leads.
        feeds: continuous feeds open.
        lags: seconds behind, by database, of the worst that are behind at all.
        database_up: CouchDB's feed of updates stands.
        copies_pending: changes whose account copies have yet to be looked at.
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

    @property
    def age(self) -> float:
        """Seconds since it said so."""
        return max(0.0, time.time() - self.at)


def publish(redis: Any, keys: Keys, status: FollowerStatus) -> None:
    """Say it."""
    redis.set(keys.status, json.dumps(asdict(status)))


def read(redis: Any, keys: Keys) -> FollowerStatus | None:
    """What was said last; None when no follower ever said anything."""
    raw = redis.get(keys.status)
    if raw is None:
        return None
    try:
        said = FollowerStatus(**json.loads(raw))
    except (ValueError, TypeError, RecursionError):
        return None
    return said if _is_sound(said) else None


def _is_sound(said: FollowerStatus) -> bool:
    """Whether what stands under our key can be calculated with: somebody else may have written it."""
    if not isinstance(said.lags, dict) or not isinstance(said.leader, str) or not isinstance(said.phase, str):
        return False
    counts = (said.databases, said.complete, said.behind, said.applied, said.feeds, said.copies_pending)
    numbers = (said.at, said.lag, *counts, *said.lags.values())
    return all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
