"""The decision: what an ask comes to. Pure: the manager reads before, and carries out after."""

from router.lifecycle.context import Case, changed_state
from router.lifecycle.creation import carrier_name, create
from router.lifecycle.errors import forbidden, invalid, not_found
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest, Plan
from router.lifecycle.permissions import Accounts
from router.lifecycle.policy import CarrierTraits, ManagerPolicy
from router.lifecycle.public_fields import with_asked
from router.lifecycle.release import release
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import is_visible
from router.numbers.states import State

__all__ = ["accounts_concerned", "carrier_name", "decide"]

_LONGEST_APP = 64
_TARGETS = {Operation.MOVE: State.IN_SERVICE, Operation.RESERVE: State.RESERVED}


def accounts_concerned(ask: OperationRequest, document: NumberDocument | None) -> set[str]:
    """The accounts whose documents `decide` looks at.

    Args:
        document: as it stands; None where there is none.
    """
    names = {ask.auth_by, ask.assign_to}
    if document is not None:
        names.add(document.assigned_to)
        if ask.operation is Operation.RELEASE:
            names.update(document.reserve_history)
    return {name for name in names if name and name != SYSTEM}


def decide(
    ask: OperationRequest,
    document: NumberDocument | None,
    accounts: Accounts,
    policy: ManagerPolicy,
    carrier: CarrierTraits,
    *,
    porting: bool,
    now: int,
) -> Plan:
    """Decide an ask.

    Args:
        ask: its number is E.164, and reconcilable.
        document: as it stands; None where there is none.
        accounts: those of `accounts_concerned` that exist, by id.
        policy: the cluster's settings.
        carrier: of the module that `carrier_name` names.
        porting: an active port request has the number.
        now: Gregorian seconds.

    Raises:
        NumberError: it can't be done; nothing changes.
    """
    case = Case(ask, document, accounts, policy, carrier, porting, now)
    if not ask.auth_by:
        raise forbidden("auth_by", "say who asks: an account id, or system")
    if ask.operation is Operation.CREATE:
        plan = create(case)
    elif ask.operation is Operation.DELETE:
        return _delete(case)
    else:
        plan = _on_existing(case)
    _require_mdn_run(plan, case)
    return plan


def _delete(case: Case) -> Plan:
    """Administrators remove a document in any state, be it marked deleted; its carrier isn't asked."""
    if case.document is None:
        raise not_found(case.ask.number)
    if not case.is_admin():
        raise forbidden()
    return Plan(case.document, None, clears_features=True)


def _on_existing(case: Case) -> Plan:
    document = case.document
    if document is None or document.deleted:
        raise not_found(case.ask.number)
    case.require_gate(document)
    match case.ask.operation:
        case Operation.GET:
            return Plan(document, document, changed=False)
        case Operation.RELEASE:
            return release(document, case)
        case Operation.UPDATE:
            after = with_asked(document, case.ask.public_fields or {}, merge=case.ask.merge)
        case Operation.ASSIGN_TO_APP:
            after = _used_by(document, case.ask.used_by or None)
        case _:
            return _changed_state(document, case)
    return Plan(document, after, changed=after != document)


def _changed_state(document: NumberDocument, case: Case) -> Plan:
    ask = case.ask
    if ask.operation in _TARGETS or ask.assign_to:
        case.require_account()
    asked = with_asked(document, ask.public_fields, merge=True)
    after, step = changed_state(asked, _TARGETS.get(ask.operation, ask.state), case)
    return Plan(document, after, step, changed=after != document)


def _used_by(document: NumberDocument, app: str | None) -> NumberDocument:
    if app is not None and not (len(app) <= _LONGEST_APP and is_visible(app)):
        raise invalid(f"used_by must be a word of at most {_LONGEST_APP} characters, such as callflow")
    return fast_replace(document, used_by=app)


def _require_mdn_run(plan: Plan, case: Case) -> None:
    """Mobile numbers are changed by who looks after them, and by nobody in passing; nor do they change others."""
    if plan.changed and case.ask.auth_by != SYSTEM and case.ask.mdn_run != case.carrier.only_in_service:
        raise forbidden("mdn_run", f"numbers of {case.carrier.name} are changed {_MDN[case.carrier.only_in_service]}")


_MDN = {True: "only with mdn_run", False: "only without mdn_run"}
