"""Transitions between the states of a number, as data: KAZOO 5's table.

A number may change from `origin` to `target` where `TRANSITIONS[target]` has a rule for `origin`. The rule names the
permission and the side effects. docs/number-lifecycle.md shows the table as a page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from router.numbers.states import State


class Who(StrEnum):
    """Requesters that may make a transition, of those that pass `permissions.passes_gate`."""

    AUTHORISED = "authorised"
    """Administrators, the owner and its ancestors; for an unowned number the receiver and its ancestors."""
    RESERVED_BY_ANCESTOR = "authorised or reserved by an ancestor"
    """Also descendants of an account that reserved the number."""
    ANYONE = "anyone"


@dataclass(frozen=True, slots=True)
class Rule:
    """One cell of the table.

    Attributes:
        who: the requesters with permission.
        assigns: whether the number is assigned to the requested account.
        pushes: whether that account enters the reserve history.
        acquires: whether the carrier is asked for the number first.
        repeats: whether the owner may repeat the transition, instead of being refused.
    """

    who: Who
    assigns: bool = True
    pushes: bool = False
    acquires: bool = False
    repeats: bool = True


TRANSITIONS: Mapping[State, Mapping[State, Rule]] = MappingProxyType(
    {
        State.IN_SERVICE: {
            State.DISCOVERY: Rule(Who.AUTHORISED, acquires=True),
            State.AVAILABLE: Rule(Who.ANYONE),
            State.AGING: Rule(Who.ANYONE),
            State.RESERVED: Rule(Who.RESERVED_BY_ANCESTOR),
            State.IN_SERVICE: Rule(Who.AUTHORISED),
            State.PORT_IN: Rule(Who.AUTHORISED),
        },
        State.RESERVED: {
            State.DISCOVERY: Rule(Who.AUTHORISED, pushes=True, acquires=True),
            State.AVAILABLE: Rule(Who.AUTHORISED, pushes=True),
            State.RESERVED: Rule(Who.AUTHORISED, pushes=True, acquires=True, repeats=False),
            State.IN_SERVICE: Rule(Who.AUTHORISED, pushes=True),
        },
        State.AVAILABLE: {
            State.AVAILABLE: Rule(Who.AUTHORISED, assigns=False),
        },
        State.AGING: {
            State.AVAILABLE: Rule(Who.ANYONE),
            State.AGING: Rule(Who.ANYONE),
        },
        State.PORT_IN: {
            State.PORT_IN: Rule(Who.ANYONE),
        },
    }
)
"""Target → origin → rule; everything else is an invalid_state_transition."""

OWNED = frozenset((State.IN_SERVICE, State.RESERVED))
"""Targets that require an account."""

RELEASED_BY_ALL = frozenset((State.RELEASED, State.RESERVED, State.PORT_IN, State.IN_SERVICE))
"""States in which numbers of every carrier may be released; a local carrier's may be in every state."""

CREATED_ON = frozenset((State.AGING, State.AVAILABLE, State.PORT_IN))
"""States in which an existing number may be created: the transition starts from its state."""

CREATED_BY_ADMIN = frozenset((State.AGING, State.AVAILABLE, State.IN_SERVICE, State.PORT_IN, State.RESERVED))
"""States in which administrators create numbers."""

CREATED_BY_ADDER = frozenset((State.IN_SERVICE, State.RESERVED))
"""States in which accounts with `pvt_wnm_allow_additions` create numbers; `port_in` is open to all."""


def rule(origin: str | None, target: str) -> Rule | None:
    """Return the rule of a transition; None where there is none."""
    rules = TRANSITIONS.get(State(target)) if target in _TARGETS else None
    return rules.get(State(origin)) if rules and origin in _ORIGINS else None


def is_target(target: str | None) -> bool:
    """Return whether any transition leads to a state."""
    return target in _TARGETS


_TARGETS = frozenset(state.value for state in TRANSITIONS)
_ORIGINS = frozenset(state.value for state in State)
