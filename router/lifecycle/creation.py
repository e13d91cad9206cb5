"""Creation of numbers: permissions, states, carrier modules, and taking over an existing document."""

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
    """Return the carrier module of the number after the request.

    Args:
        document: the current document; None where there is none.
    """
    if request.operation is Operation.CREATE and request.module_name:
        return module_name(request.module_name)
    if document is not None and not document.deleted:
        return document.module_name
    if request.ported_in:
        return policy.port_in_module_name
    return LOCAL if request.state == State.PORT_IN else policy.available_module_name


def create(context: DecisionContext) -> Plan:
    """Decide a creation, refusing in KAZOO's order."""
    request = context.request
    if request.imported is not None and request.imported.document is not None and request.auth_by == SYSTEM:
        return _restore(request.imported.document, context)
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
    after = _with_history(after, request, is_new=existing is None or existing.deleted)
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
    """Refuse a requester who may not create numbers; port-ins are open to all."""
    request = context.request
    if request.ported_in or request.state == State.PORT_IN or context.is_admin():
        return
    if not permissions.may_add(request.auth_by, context.accounts):
        raise forbidden("account is not allowed to create numbers")


def _new(target: str, context: DecisionContext) -> NumberDocument:
    """Return an unassigned number in its target's state; the transition from that state to itself follows."""
    request = context.request
    if context.porting and not request.ported_in:
        raise number_is_porting(request.number)
    created = new_document(
        request.number,
        state=target,
        module_name=carrier_name(request, None, context.policy),
        authorizing_account=request.auth_by,
        ported_in=request.ported_in,
        now=context.now,
    )
    context.require_gate(created)
    return created


def _taken_over(existing: NumberDocument, context: DecisionContext) -> NumberDocument:
    """Return the existing number with the request's carrier module, which only administrators may change."""
    module = carrier_name(context.request, existing, context.policy)
    ported_in = existing.ported_in or context.request.ported_in
    if module == existing.module_name:
        return fast_replace(existing, ported_in=ported_in)
    if not context.is_admin():
        raise forbidden(f"it is on {existing.module_name}: only administrators change a number's carrier")
    others = {name: settings for name, settings in existing.features.items() if name != "local"}
    return fast_replace(existing, module_name=module, features=others | own_features(module), ported_in=ported_in)


def _with_history(after: NumberDocument, request: OperationRequest, *, is_new: bool) -> NumberDocument:
    """Return the number with the history that an import brings, where the system requests it."""
    history = request.imported
    if history is None or request.auth_by != SYSTEM:
        return after
    reserved = history.reserve_history
    return fast_replace(
        after,
        created=history.created if is_new and history.created else after.created,
        previously_assigned_to=history.previously_assigned_to or after.previously_assigned_to,
        reserve_history=after.reserve_history if reserved is None else collapsed(reserved),
        used_by=history.used_by or after.used_by,
        ported_in=after.ported_in if history.ported_in is None else history.ported_in,
    )


def _restore(document: Mapping[str, Any], context: DecisionContext) -> Plan:
    """Decide the restoration of an exported document; an existing one must be equal."""
    restored = {name: value for name, value in document.items() if name == "_id" or not name.startswith("_")}
    found = documents.read(restored)
    if isinstance(found, documents.Skipped):
        raise invalid(f"the document is no number's: {found.reason}")
    if restored["_id"] != context.request.number:
        raise invalid(f"the document is {found.number}'s")
    existing = context.document
    if existing is None or existing.deleted:
        return Plan(existing, found, verbatim=True)
    if _content(existing.fields) == _content(restored):
        return Plan(existing, existing, changed=False)
    raise number_exists(context.request.number)


def _content(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without the fields that CouchDB and every write change."""
    return {name: value for name, value in fields.items() if name[:1] != "_" and name != "pvt_modified"}
