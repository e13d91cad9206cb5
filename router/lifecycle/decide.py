"""Decision of a request. Pure: the manager reads before it, and carries the plan out after it."""

from router.lifecycle.context import DecisionContext, changed_state
from router.lifecycle.creation import carrier_name, create
from router.lifecycle.errors import forbidden, invalid, not_found
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest, Plan
from router.lifecycle.permissions import Accounts
from router.lifecycle.policy import CarrierTraits, ManagerPolicy
from router.lifecycle.public_fields import with_requested_fields
from router.lifecycle.release import release
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import is_visible
from router.numbers.states import State

__all__ = ["accounts_to_read", "carrier_name", "decide"]

_MAX_APP_LENGTH = 64
_TARGETS = {Operation.MOVE: State.IN_SERVICE, Operation.RESERVE: State.RESERVED}


def accounts_to_read(request: OperationRequest, document: NumberDocument | None) -> set[str]:
    """Return the accounts whose documents `decide` needs.

    Args:
        document: the current document; None where there is none.
    """
    names = {request.auth_by, request.assign_to}
    if document is not None:
        names.add(document.assigned_to)
        if request.operation is Operation.RELEASE:
            names.update(document.reserve_history)
    return {name for name in names if name and name != SYSTEM}


def decide(
    request: OperationRequest,
    document: NumberDocument | None,
    accounts: Accounts,
    policy: ManagerPolicy,
    carrier: CarrierTraits,
    *,
    porting: bool,
    now: int,
) -> Plan:
    """Decide a request.

    Args:
        request: its number is E.164, and reconcilable.
        document: the current document; None where there is none.
        accounts: those of `accounts_to_read` that exist, by id.
        policy: the cluster's settings.
        carrier: traits of the module that `carrier_name` returns.
        porting: whether an active port request names the number.
        now: Gregorian seconds.

    Raises:
        NumberError: the request is refused.
    """
    context = DecisionContext(request, document, accounts, policy, carrier, porting, now)
    if not request.auth_by:
        raise forbidden("auth_by", "say who asks: an account id, or system")
    if request.operation is Operation.CREATE:
        plan = create(context)
    elif request.operation is Operation.DELETE:
        return _delete(context)
    else:
        plan = _on_existing(context)
    _require_mdn_run(plan, context)
    return plan


def _delete(context: DecisionContext) -> Plan:
    """Delete a document in any state, for administrators only and without asking its carrier."""
    if context.document is None:
        raise not_found(context.request.number)
    if not context.is_admin():
        raise forbidden()
    return Plan(context.document, None, clears_features=True)


def _on_existing(context: DecisionContext) -> Plan:
    document = context.document
    if document is None or document.deleted:
        raise not_found(context.request.number)
    context.require_gate(document)
    match context.request.operation:
        case Operation.GET:
            return Plan(document, document, changed=False)
        case Operation.RELEASE:
            return release(document, context)
        case Operation.UPDATE:
            after = with_requested_fields(document, context.request.public_fields or {}, merge=context.request.merge)
        case Operation.ASSIGN_TO_APP:
            after = _used_by(document, context.request.used_by or None)
        case _:
            return _changed_state(document, context)
    return Plan(document, after, changed=after != document)


def _changed_state(document: NumberDocument, context: DecisionContext) -> Plan:
    request = context.request
    if request.operation in _TARGETS or request.assign_to:
        context.require_account()
    asked = with_requested_fields(document, request.public_fields, merge=True)
    after, step = changed_state(asked, _TARGETS.get(request.operation, request.state), context)
    return Plan(document, after, step, changed=after != document)


def _used_by(document: NumberDocument, app: str | None) -> NumberDocument:
    if app is not None and not (len(app) <= _MAX_APP_LENGTH and is_visible(app)):
        raise invalid(f"used_by must be a word of at most {_MAX_APP_LENGTH} characters, such as callflow")
    return fast_replace(document, used_by=app)


def _require_mdn_run(plan: Plan, context: DecisionContext) -> None:
    """Refuse a change of a mobile number without `mdn_run`, and of any other number with it."""
    only_in_service = context.carrier.only_in_service
    if plan.changed and context.request.auth_by != SYSTEM and context.request.mdn_run != only_in_service:
        raise forbidden("mdn_run", f"numbers of {context.carrier.name} are changed {_MDN[only_in_service]}")


_MDN = {True: "only with mdn_run", False: "only without mdn_run"}
