"""Making a number: who may, in which state, on which carrier, and from what stands there already."""

from collections.abc import Mapping
from typing import Any

from router.lifecycle import permissions
from router.lifecycle.context import Case, changed_state
from router.lifecycle.document_writer import blank, own_features
from router.lifecycle.errors import forbidden, invalid, number_exists, number_is_porting
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest, Plan
from router.lifecycle.policy import ManagerPolicy
from router.lifecycle.public_fields import with_asked
from router.lifecycle.reserve_history import collapsed
from router.lifecycle.transitions import CREATED_BY_ADDER, CREATED_BY_ADMIN, CREATED_ON
from router.numbers import documents
from router.numbers.carriers import LOCAL, is_module_name, module_name
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import shown
from router.numbers.states import State, is_known

_CREATABLE = ", ".join(sorted(CREATED_BY_ADMIN))


def carrier_name(ask: OperationRequest, document: NumberDocument | None, policy: ManagerPolicy) -> str:
    """Which carrier module looks after the number, or will.

    Args:
        document: as it stands; None where there is none.
    """
    if ask.operation is Operation.CREATE and ask.module_name:
        return module_name(ask.module_name)
    if document is not None and not document.deleted:
        return document.module_name
    if ask.ported_in:
        return policy.port_in_module_name
    return LOCAL if ask.state == State.PORT_IN else policy.available_module_name


def create(case: Case) -> Plan:
    """Decide a creation, in KAZOO's order of refusals."""
    ask = case.ask
    if ask.imported is not None and ask.imported.document is not None and ask.auth_by == SYSTEM:
        return _put_back(ask.imported.document, case)
    target = _target(case)
    if target != State.AVAILABLE:
        case.require_account()
    _require_creator(case)
    if ask.module_name and not is_module_name(ask.module_name):
        raise invalid("module_name must be a carrier module's name, such as knm_local")
    stands = case.document
    if stands is None or stands.deleted:
        base = _new(target, case)
    else:
        case.require_gate(stands)
        if stands.state not in CREATED_ON:
            raise number_exists(ask.number)
        base = _taken_over(stands, case)
    after, step = changed_state(with_asked(base, ask.public_fields, merge=True), target, case)
    after = _with_past(after, ask, is_new=stands is None or stands.deleted)
    return Plan(stands, after, step, changed=after != stands)


def _target(case: Case) -> str:
    ask = case.ask
    if ask.state and not is_known(ask.state):
        raise invalid(f"state is {shown(ask.state)}, which is none: a number is created in {_CREATABLE}")
    if ask.ported_in or case.carrier.only_in_service:
        return State.IN_SERVICE.value
    wanted = ask.state or State.IN_SERVICE.value
    if wanted == State.PORT_IN:
        return wanted
    allowed: frozenset[State] = frozenset()
    if case.is_admin():
        allowed = CREATED_BY_ADMIN
    elif permissions.may_add(ask.auth_by, case.accounts):
        allowed = CREATED_BY_ADDER
    if wanted not in allowed:
        raise forbidden(f"creating number in state '{wanted}' is not allowed")
    return wanted


def _require_creator(case: Case) -> None:
    """Port-ins are open to everybody, and the rest to who may add numbers."""
    ask = case.ask
    if ask.ported_in or ask.state == State.PORT_IN or case.is_admin():
        return
    if not permissions.may_add(ask.auth_by, case.accounts):
        raise forbidden("account is not allowed to create numbers")


def _new(target: str, case: Case) -> NumberDocument:
    """A number begins in its target's state, nobody's, and then takes the way from that state to itself."""
    ask = case.ask
    if case.porting and not ask.ported_in:
        raise number_is_porting(ask.number)
    made = blank(
        ask.number,
        state=target,
        module_name=carrier_name(ask, None, case.policy),
        authorizing_account=ask.auth_by,
        ported_in=ask.ported_in,
        now=case.now,
    )
    case.require_gate(made)
    return made


def _taken_over(stands: NumberDocument, case: Case) -> NumberDocument:
    """What stands there, with what the ask says of it; only administrators put it on another carrier."""
    module = carrier_name(case.ask, stands, case.policy)
    ported_in = stands.ported_in or case.ask.ported_in
    if module == stands.module_name:
        return fast_replace(stands, ported_in=ported_in)
    if not case.is_admin():
        raise forbidden(f"it is on {stands.module_name}: only administrators change a number's carrier")
    others = {name: settings for name, settings in stands.features.items() if name != "local"}
    return fast_replace(stands, module_name=module, features=others | own_features(module), ported_in=ported_in)


def _with_past(after: NumberDocument, ask: OperationRequest, *, is_new: bool) -> NumberDocument:
    """What an import brings of the number's past, where the system asks."""
    past = ask.imported
    if past is None or ask.auth_by != SYSTEM:
        return after
    return fast_replace(
        after,
        created=past.created if is_new and past.created else after.created,
        previously_assigned_to=past.previously_assigned_to or after.previously_assigned_to,
        reserve_history=after.reserve_history if past.reserve_history is None else collapsed(past.reserve_history),
        used_by=past.used_by or after.used_by,
        ported_in=after.ported_in if past.ported_in is None else past.ported_in,
    )


def _put_back(document: Mapping[str, Any], case: Case) -> Plan:
    """A whole document, as it was exported; one that stands there already must be the same."""
    theirs = {name: value for name, value in document.items() if name == "_id" or not name.startswith("_")}
    found = documents.read(theirs)
    if isinstance(found, documents.Skipped):
        raise invalid(f"the document is no number's: {found.reason}")
    if theirs["_id"] != case.ask.number:
        raise invalid(f"the document is {found.number}'s")
    stands = case.document
    if stands is None or stands.deleted:
        return Plan(stands, found, verbatim=True)
    if _content(stands.fields) == _content(theirs):
        return Plan(stands, stands, changed=False)
    raise number_exists(case.ask.number)


def _content(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A document without what CouchDB and each writing change."""
    return {name: value for name, value in fields.items() if name[:1] != "_" and name != "pvt_modified"}
