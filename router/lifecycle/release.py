"""Release of a number: to the account that reserved it before, else to the released state."""

from router.lifecycle import permissions, reserve_history
from router.lifecycle.context import DecisionContext, assigned
from router.lifecycle.document_writer import without_usage
from router.lifecycle.errors import forbidden, invalid_state_transition
from router.lifecycle.operations import CarrierStep, Plan
from router.lifecycle.transitions import RELEASED_BY_ALL
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.states import State


def release(document: NumberDocument, context: DecisionContext) -> Plan:
    """Decide a release by a requester who has passed the gate.

    This is the page's rule, not KAZOO 5's: the owner is removed from the reserve history, and the first account that
    remains owns the number again, even if the owner never reserved it.
    """
    policy, carrier = context.policy, context.carrier
    if document.state not in RELEASED_BY_ALL and not carrier.is_local:
        raise invalid_state_transition(document.state or "undefined", policy.released_state)
    if not permissions.is_authorized(context.request.auth_by, document.assigned_to, None, context.accounts):
        raise forbidden()
    context.require_holder(document)
    unused = without_usage(document)
    remaining = reserve_history.unwind(document.reserve_history, document.assigned_to, context.accounts)
    if remaining:
        after = fast_replace(assigned(unused, remaining[0]), state=State.RESERVED.value, reserve_history=remaining)
        return Plan(document, after, clears_features=True)
    if policy.should_permanently_delete or carrier.deletes_on_release:
        return Plan(document, None, CarrierStep.DISCONNECT, clears_features=True)
    state = policy.released_state
    if policy.should_age and state == State.AVAILABLE:
        state = State.AGING.value
    after = fast_replace(assigned(unused, None), state=state, reserve_history=())
    return Plan(document, after, CarrierStep.DISCONNECT, clears_features=True)
