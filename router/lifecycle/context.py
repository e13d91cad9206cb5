"""What a decision is made from, and the two steps that several operations share."""

from dataclasses import dataclass
from typing import Any

from router.lifecycle import permissions, reserve_history
from router.lifecycle.errors import (
    assign_failure,
    forbidden,
    invalid_state_transition,
    malformed,
    no_change_required,
)
from router.lifecycle.operations import CarrierStep, Operation, OperationRequest
from router.lifecycle.permissions import Accounts
from router.lifecycle.policy import CarrierTraits, ManagerPolicy
from router.lifecycle.transitions import OWNED, Rule, is_target, rule
from router.numbers.documents import NumberDocument, ownership_problem
from router.numbers.fast_replace import fast_replace
from router.numbers.states import State

_ASSIGNING = frozenset((Operation.CREATE, Operation.MOVE, Operation.RESERVE, Operation.CHANGE_STATE))
"""Only where somebody shall have the number does that account open the gate."""


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """An ask, and all that bears on it.

    Attributes:
        document: as it stands, be it marked deleted; None where there is none.
        accounts: those concerned that exist, by id.
        carrier: of the module that looks after the number.
        porting: an active port request has it.
        now: Gregorian seconds.
    """

    request: OperationRequest
    document: NumberDocument | None
    accounts: Accounts
    policy: ManagerPolicy
    carrier: CarrierTraits
    porting: bool
    now: int

    def is_admin(self) -> bool:
        """Whether the asker may do everything."""
        return permissions.is_admin(self.request.auth_by, self.accounts)

    def require_gate(self, document: NumberDocument) -> None:
        """Refuse who may not know of the number."""
        receiver = self.request.assign_to if self.request.operation in _ASSIGNING else None
        if not permissions.passes_gate(document, self.request.auth_by, receiver, self.accounts):
            raise forbidden()

    def require_holder(self, document: NumberDocument) -> None:
        """Refuse to give away what nobody can tell whose it is: it would be anybody's."""
        problem = ownership_problem(document)
        if problem is not None:
            raise malformed(document.number, problem)

    def require_account(self) -> None:
        """Refuse an ask that names no account to have the number."""
        if not permissions.is_account_id(self.request.assign_to):
            raise assign_failure()


def assigned(document: NumberDocument, account: str | None) -> NumberDocument:
    """The number with another account, or with none: who had it is remembered, what used it there is not."""
    return fast_replace(document, **_assignment(document, account))


def _assignment(document: NumberDocument, account: str | None) -> dict[str, Any]:
    """The fields that change when another account, or none, gets the number."""
    if account == document.assigned_to:
        return {}
    former = document.assigned_to or document.previously_assigned_to
    return {"assigned_to": account, "previously_assigned_to": former, "used_by": None}


def changed_state(
    document: NumberDocument, target: str | None, context: DecisionContext
) -> tuple[NumberDocument, CarrierStep]:
    """Send a number from its state to another.

    Returns:
        The number there, and what its carrier is to be asked first.

    Raises:
        NumberError: no way leads there, or the asker may not go it.
    """
    request = context.request
    context.require_holder(document)
    way = _way(document, target, context.carrier)
    if way.pushes and not request.assign_to:
        raise forbidden("can not assign to self") if document.state == State.RESERVED else assign_failure()
    if not way.repeats and document.assigned_to is not None and request.assign_to == document.assigned_to:
        raise no_change_required()
    if not permissions.may(way.who, document, request.auth_by, request.assign_to, context.accounts):
        raise forbidden()
    account = (request.assign_to or document.assigned_to) if way.assigns else document.assigned_to
    if target in OWNED and account is None:
        raise assign_failure()
    after = fast_replace(document, state=str(target), **_assignment(document, account))
    if way.pushes and request.assign_to:
        after = fast_replace(after, reserve_history=reserve_history.push(after.reserve_history, request.assign_to))
    return after, CarrierStep.ACQUIRE if way.acquires else CarrierStep.NONE


def _way(document: NumberDocument, target: str | None, carrier: CarrierTraits) -> Rule:
    """The rule, in KAZOO's order of refusals; numbers of a mobile carrier know in_service alone."""
    if target is None or not is_target(target):
        raise invalid_state_transition()
    if carrier.only_in_service and target != State.IN_SERVICE:
        raise invalid_state_transition("'MDN'", target)
    origin = document.state or "undefined"
    way = rule(origin, target)
    if way is None:
        raise invalid_state_transition(origin, target)
    if carrier.only_in_service and origin != State.IN_SERVICE:
        raise invalid_state_transition(target, origin)  # KAZOO's own words, the wrong way round
    return way
