"""The states of a number's life."""

from enum import StrEnum


class State(StrEnum):
    """KAZOO's nine states, and two that only older documents hold."""

    DISCOVERY = "discovery"
    AVAILABLE = "available"
    AGING = "aging"
    RESERVED = "reserved"
    IN_SERVICE = "in_service"
    PORT_IN = "port_in"
    PORT_OUT = "port_out"
    RELEASED = "released"
    DELETED = "deleted"
    DISCONNECTED = "disconnected"
    CANCELLED = "cancelled"


LEGACY = (State.DISCONNECTED, State.CANCELLED)
"""Read, never written."""

ROUTABLE: tuple[str, ...] = (
    State.IN_SERVICE.value,
    State.RESERVED.value,
    State.PORT_IN.value,
    State.PORT_OUT.value,
)
"""The states that take calls, unless a setting says otherwise."""


_NAMES = frozenset(state.value for state in State)


def is_known(state: str) -> bool:
    """Whether any generation of KAZOO knows this state."""
    return state in _NAMES
