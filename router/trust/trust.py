"""Trust: which caches lookups may use now, and which of their answers are marked stale."""

from dataclasses import dataclass
from enum import Enum


class Freshness(Enum):
    """The way in which a cache may be used."""

    FRESH = "fresh"
    """Its content is provably current."""
    STALE = "stale"
    """May be used; nothing proves that it is current."""
    UNAVAILABLE = "unavailable"
    """Must not be used."""


FRESH, STALE, UNAVAILABLE = Freshness.FRESH, Freshness.STALE, Freshness.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Trust:
    """The trust in each cache at one moment.

    Attributes:
        near: the near cache and the negative ranges. UNAVAILABLE while no connection brings invalidations. STALE while
            Redis is away, since an old answer is then better than none.
        redis: the entries in Redis. UNAVAILABLE from its first failure until it responds again. STALE while no follower
            proves them current.
        reference: the reference data in memory. STALE while their subscription is lost.
        complete: the reference databases that memory holds as a whole; only there does a missing document mean that
            none exists.
        receives_invalidations: the connection stands that brings them to the near cache; nothing is kept there without.
    """

    near: Freshness
    redis: Freshness
    reference: Freshness
    complete: frozenset[str]
    receives_invalidations: bool
