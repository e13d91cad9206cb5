"""Making a number: who may, in which state, on which carrier, and from what stands there already."""

from collections.abc import Mapping
from typing import Any

from router.lifecycle import permissions
from router.lifecycle.context import DecisionContext, changed_state
from router.lifecycle.document_writer import new_document, own_features
from router.lifecycle.errors import forbidden, invalid, number_exists, number_is_porting
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest, Plan
from router.lifecycle.policy import ManagerPolicy
from router.lifecycle.public_fields import with_requested_fields
from router.lifecycle.reserve_history import collapsed
from router.lifecycle.transitions import CREATED_BY_ADDER, CREATED_BY_ADMIN, CREATED_ON
from router.numbers import documents
from router.numbers.carriers import LOCAL, is_module_name, module_name
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import shown
from router.numbers.states import State, is_known

_CREATABLE = ", ".join(sorted(CREATED_BY_ADMIN))


def carrier_name(request: OperationRequest, document: NumberDocument | None, policy: ManagerPolicy) -> str:
    """Which carrier module looks after the number, or will.

    Args:
        document: as it stands; None where there is none.
    """
    if request.operation is Operation.CREATE and request.module_name:
        return module_name(request.module_name)
    if document is not None and not document.deleted:
        return document.module_name
    if request.ported_in:
        return policy.port_in_module_name
    return LOCAL if request.state == State.PORT_IN else policy.available_module_name


def create(context: DecisionContext) -> Plan:
    """Decide a creation, in KAZOO's order of refusals."""
    request = context.request
    if request.imported is not None and request.imported.document is not None and request.auth_by == SYSTEM:
        return _put_back(request.imported.document, context)
    target = _target(context)
    if target != State.AVAILABLE:
        context.require_account()
    _require_creator(context)
    if request.module_name and not is_module_name(request.module_name):
        raise invalid("module_name must be a carrier module's name, such as knm_local")
    existing = context.document
    if existing is None or existing.deleted:
        base = _new(target, context)
    else:
        context.require_gate(existing)
        if existing.state not in CREATED_ON:
            raise number_exists(request.number)
        base = _taken_over(existing, context)
    after, step = changed_state(with_requested_fields(base, request.public_fields, merge=True), target, context)
    after = _with_past(after, request, is_new=existing is None or existing.deleted)
    return Plan(existing, after, step, changed=after != existing)


def _target(context: DecisionContext) -> str:
    request = context.request
    if request.state and not is_known(request.state):
        raise invalid(f"state is {shown(request.state)}, which is none: a number is created in {_CREATABLE}")
    if request.ported_in or context.carrier.only_in_service:
        return State.IN_SERVICE.value
    wanted = request.state or State.IN_SERVICE.value
    if wanted == State.PORT_IN:
        return wanted
    allowed: frozenset[State] = frozenset()
    if context.is_admin():
        allowed = CREATED_BY_ADMIN
    elif permissions.may_add(request.auth_by, context.accounts):
        allowed = CREATED_BY_ADDER
    if wanted not in allowed:
        raise forbidden(f"creating number in state '{wanted}' is not allowed")
    return wanted


def _require_creator(context: DecisionContext) -> None:
    """Port-ins are open to everybody, and the rest to who may add numbers."""
    request = context.request
    if request.ported_in or request.state == State.PORT_IN or context.is_admin():
        return
    if not permissions.may_add(request.auth_by, context.accounts):
        raise forbidden("account is not allowed to create numbers")


def _new(target: str, context: DecisionContext) -> NumberDocument:
    """A number begins in its target's state, nobody's, and then takes the way from that state to itself."""
    request = context.request
    if context.porting and not request.ported_in:
        raise number_is_porting(request.number)
    made = new_document(
        request.number,
        state=target,
        module_name=carrier_name(request, None, context.policy),
        authorizing_account=request.auth_by,
        ported_in=request.ported_in,
        now=context.now,
    )
    context.require_gate(made)
    return made


def _taken_over(existing: NumberDocument, context: DecisionContext) -> NumberDocument:
    """What stands there, with what the ask says of it; only administrators put it on another carrier."""
    module = carrier_name(context.request, existing, context.policy)
    ported_in = existing.ported_in or context.request.ported_in
    if module == existing.module_name:
        return fast_replace(existing, ported_in=ported_in)
    if not context.is_admin():
        raise forbidden(f"it is on {existing.module_name}: only administrators change a number's carrier")
    others = {name: settings for name, settings in existing.features.items() if name != "local"}
    return fast_replace(existing, module_name=module, features=others | own_features(module), ported_in=ported_in)


def _with_past(after: NumberDocument, request: OperationRequest, *, is_new: bool) -> NumberDocument:
    """What an import brings of the number's past, where the system asks."""
    past = request.imported
    if past is None or request.auth_by != SYSTEM:
        return after
    return fast_replace(
        after,
        created=past.created if is_new and past.created else after.created,
        previously_assigned_to=past.previously_assigned_to or after.previously_assigned_to,
        reserve_history=after.reserve_history if past.reserve_history is None else collapsed(past.reserve_history),
        used_by=past.used_by or after.used_by,
        ported_in=after.ported_in if past.ported_in is None else past.ported_in,
    )


def _put_back(document: Mapping[str, Any], context: DecisionContext) -> Plan:
    """A whole document, as it was exported; one that stands there already must be the same."""
    theirs = {name: value for name, value in document.items() if name == "_id" or not name.startswith("_")}
    found = documents.read(theirs)
    if isinstance(found, documents.Skipped):
        raise invalid(f"the document is no number's: {found.reason}")
    if theirs["_id"] != context.request.number:
        raise invalid(f"the document is {found.number}'s")
    existing = context.document
    if existing is None or existing.deleted:
        return Plan(existing, found, verbatim=True)
    if _content(existing.fields) == _content(theirs):
        return Plan(existing, existing, changed=False)
    raise number_exists(context.request.number)


def _content(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A document without what CouchDB and each writing change."""
    return {name: value for name, value in fields.items() if name[:1] != "_" and name != "pvt_modified"}
