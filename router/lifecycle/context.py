"""The context of a decision, and the two steps that several operations share."""

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
"""Operations that assign the number: the receiving account counts for the gate."""


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """A request, and everything that its decision depends on.

    Attributes:
        request: the operation.
        document: the current document, which may be marked deleted; None where there is none.
        accounts: the affected accounts that exist, by id.
        policy: the cluster's settings.
        carrier: traits of the number's carrier module.
        porting: whether an active port request names the number.
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
        """Return whether the requester may do everything."""
        return permissions.is_admin(self.request.auth_by, self.accounts)

    def require_gate(self, document: NumberDocument) -> None:
        """Refuse a requester who may not see the number."""
        receiver = self.request.assign_to if self.request.operation in _ASSIGNING else None
        if not permissions.passes_gate(document, self.request.auth_by, receiver, self.accounts):
            raise forbidden()

    def require_holder(self, document: NumberDocument) -> None:
        """Refuse to reassign a number whose owner can't be read from its document."""
        problem = ownership_problem(document)
        if problem is not None:
            raise malformed(document.number, problem)

    def require_account(self) -> None:
        """Refuse a request without an account to assign the number to."""
        if not permissions.is_account_id(self.request.assign_to):
            raise assign_failure()


def assigned(document: NumberDocument, account: str | None) -> NumberDocument:
    """Return the number assigned to another account, or to none, with its former owner but not its application."""
    return fast_replace(document, **_assignment(document, account))


def _assignment(document: NumberDocument, account: str | None) -> dict[str, Any]:
    """Return the fields that change when another account, or none, gets the number."""
    if account == document.assigned_to:
        return {}
    former = document.assigned_to or document.previously_assigned_to
    return {"assigned_to": account, "previously_assigned_to": former, "used_by": None}


def changed_state(
    document: NumberDocument, target: str | None, context: DecisionContext
) -> tuple[NumberDocument, CarrierStep]:
    """Apply the transition from a number's state to another one.

    Returns:
        The changed number, and the request to its carrier that comes first.

    Raises:
        NumberError: there is no such transition, or the requester may not make it.
    """
    request = context.request
    context.require_holder(document)
    transition = _transition(document, target, context.carrier)
    if transition.pushes and not request.assign_to:
        raise forbidden("can not assign to self") if document.state == State.RESERVED else assign_failure()
    if not transition.repeats and document.assigned_to is not None and request.assign_to == document.assigned_to:
        raise no_change_required()
    if not permissions.may(transition.who, document, request.auth_by, request.assign_to, context.accounts):
        raise forbidden()
    account = (request.assign_to or document.assigned_to) if transition.assigns else document.assigned_to
    if target in OWNED and account is None:
        raise assign_failure()
    after = fast_replace(document, state=str(target), **_assignment(document, account))
    if transition.pushes and request.assign_to:
        after = fast_replace(after, reserve_history=reserve_history.push(after.reserve_history, request.assign_to))
    return after, CarrierStep.ACQUIRE if transition.acquires else CarrierStep.NONE


def _transition(document: NumberDocument, target: str | None, carrier: CarrierTraits) -> Rule:
    """Return the rule, refusing in KAZOO's order; numbers of a mobile carrier only have the state in_service."""
    if target is None or not is_target(target):
        raise invalid_state_transition()
    if carrier.only_in_service and target != State.IN_SERVICE:
        raise invalid_state_transition("'MDN'", target)
    origin = document.state or "undefined"
    found = rule(origin, target)
    if found is None:
        raise invalid_state_transition(origin, target)
    if carrier.only_in_service and origin != State.IN_SERVICE:
        raise invalid_state_transition(target, origin)  # in KAZOO's own, reversed order
    return found
