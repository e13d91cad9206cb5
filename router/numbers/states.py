"""The states of a number."""

from enum import StrEnum


class State(StrEnum):
    """KAZOO's nine states, and two of older documents."""

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
"""The default of the states that take calls."""


_NAMES = frozenset(state.value for state in State)


def is_known(state: str) -> bool:
    """Return whether any generation of KAZOO knows a state."""
    return state in _NAMES
