"""Settings of lookups: limits, circuit breaker, near cache and routing."""

from typing import ClassVar, Literal

from pydantic import Field

from router.numbers.states import ROUTABLE
from router.settings.groups.group import Group


class LookupSettings(Group):
    """Limits of lookups."""

    TITLE: ClassVar = "Lookups"
    FLAT_PREFIX: ClassVar = "lookup_"
    UNPREFIXED: ClassVar = frozenset(("batch_size", "max_queued_calls"))

    timeout: float = Field(
        default=2.0, gt=0, description="seconds that a call is worked on at most; the deadline of calls without one"
    )
    batch_size: int = Field(default=512, ge=1, le=5000, description="calls that one batch takes from the queue")
    max_queued_calls: int = Field(
        default=4000, ge=1, description="calls waiting in the queue; further ones are refused"
    )


class CircuitBreakerSettings(Group):
    """The circuit breaker of each store."""

    TITLE: ClassVar = "Circuit breaker"
    FLAT_PREFIX: ClassVar = "circuit_breaker_"

    failures: int = Field(default=5, ge=1, description="consecutive failures of a store that open its circuit breaker")
    reset_timeout: float = Field(
        default=1.0, gt=0, description="seconds that the circuit breaker stays open before a trial request"
    )


class NearCacheSettings(Group):
    """The cache in each worker's own memory."""

    TITLE: ClassVar = "Near cache"
    FLAT_PREFIX: ClassVar = "near_cache_"

    entries: int = Field(
        default=200_000, ge=0, description="numbers in each worker's own memory; 0: none (nor with a Redis Cluster)"
    )
    bytes: int = Field(default=256 << 20, ge=1 << 20, description="approximate bytes that they may take")


class RoutingSettings(Group):
    """Numbers and accounts that take calls."""

    TITLE: ClassVar = "Routing"

    unknown_account: Literal["allow", "refuse"] = Field(
        default="allow",
        description="an account without a document: route (and count it), or refuse with its own message",
    )
    routable_states: list[str] = Field(default=list(ROUTABLE), description="number states that take calls")
