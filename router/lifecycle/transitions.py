"""Which way leads from one state to another, as data: KAZOO 5's table of transitions.

A number may go from `origin` to `target` where `TRANSITIONS[target]` has a rule for `origin`; the
rule says who may, and what happens besides. docs/number-lifecycle.md shows the same as a page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from router.numbers.states import State


class Who(StrEnum):
    """Who may, of those who may know of the number at all (`standing.passes_gate`)."""

    AUTHORISED = "authorised"
    """Administrators, and who is the assignee or above it; of nobody's numbers, the same of who shall have it."""
    RESERVED_BY_ANCESTOR = "authorised or reserved by an ancestor"
    """Also who is below an account that reserved it."""
    ANYONE = "anyone"


@dataclass(frozen=True, slots=True)
class Rule:
    """One cell of the table.

    Attributes:
        who: may do it.
        assigns: it goes to the account it is asked for.
        pushes: that account enters the reserve history.
        acquires: the carrier is asked for it first.
        repeats: for who has it already it is done again, instead of being refused.
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
"""Target → origin → rule; what isn't here is an invalid_state_transition."""

OWNED = frozenset((State.IN_SERVICE, State.RESERVED))
"""Targets that make no sense without an account."""

RELEASED_BY_ALL = frozenset((State.RELEASED, State.RESERVED, State.PORT_IN, State.IN_SERVICE))
"""States in which numbers of every carrier are released; a local carrier's in every state."""

CREATED_ON = frozenset((State.AGING, State.AVAILABLE, State.PORT_IN))
"""States in which a number that exists may be created: it then takes the way of its state."""

CREATED_BY_ADMIN = frozenset((State.AGING, State.AVAILABLE, State.IN_SERVICE, State.PORT_IN, State.RESERVED))
"""States in which administrators create numbers."""

CREATED_BY_ADDER = frozenset((State.IN_SERVICE, State.RESERVED))
"""States in which accounts with `pvt_wnm_allow_additions` do; `port_in` is open to all."""


def rule(origin: str | None, target: str) -> Rule | None:
    """The rule of a way; None where none leads."""
    rules = TRANSITIONS.get(State(target)) if target in _TARGETS else None
    return rules.get(State(origin)) if rules and origin in _ORIGINS else None


def is_target(target: str | None) -> bool:
    """Whether a number can be asked to go there at all."""
    return target in _TARGETS


_TARGETS = frozenset(state.value for state in TRANSITIONS)
_ORIGINS = frozenset(state.value for state in State)
