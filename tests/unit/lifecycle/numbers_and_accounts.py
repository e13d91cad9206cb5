"""The accounts of the cases, and documents and asks about them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from router.lifecycle.decide import accounts_to_read, carrier_name, decide
from router.lifecycle.errors import NumberError
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest, Plan
from router.lifecycle.policy import ManagerPolicy
from router.numbers import accounts, documents
from router.numbers.accounts import AccountDocument
from router.numbers.carriers import LOCAL, MDN
from router.numbers.documents import NumberDocument

NUMBER = "+14158867900"
NOW = 63_900_000_000


@dataclass(frozen=True, slots=True)
class Traits:
    """Traits without a carrier; the defaults are those of an unknown module."""

    name: str
    is_local: bool = False
    deletes_on_release: bool = False
    only_in_service: bool = False


LOCAL_TRAITS = Traits(LOCAL, is_local=True, deletes_on_release=True)
MDN_TRAITS = Traits(MDN, deletes_on_release=True, only_in_service=True)


def account_id(letter: str) -> str:
    """The 32 characters of one of the accounts M, R, C, U; the system's name is its own."""
    return letter if letter == SYSTEM else letter.lower() * 32


M, R, C, U = map(account_id, "MRCU")


def _account(letter: str, *, tree: tuple[str, ...], superduper: bool = False, adds: bool = False) -> AccountDocument:
    found = accounts.read(
        {
            "_id": account_id(letter),
            "pvt_type": "account",
            "pvt_tree": list(tree),
            "pvt_superduper_admin": superduper,
            "pvt_wnm_allow_additions": adds,
        }
    )
    assert isinstance(found, AccountDocument)
    return found


ACCOUNTS = {
    M: _account("M", tree=(), superduper=True, adds=True),
    R: _account("R", tree=(M,), adds=True),
    C: _account("C", tree=(M, R)),
    U: _account("U", tree=(M,)),
}


def traits(module: str) -> Traits:
    """Return the traits of KAZOO's own modules that differ from the others'."""
    return {"knm_local": LOCAL_TRAITS, "knm_mdn": MDN_TRAITS}.get(module, Traits(module))


def number(**fields: Any) -> NumberDocument:
    """A number document with these fields besides its id and revision."""
    found = documents.read({"_id": NUMBER, "_rev": "1-a", "pvt_type": "number"} | fields)
    assert isinstance(found, NumberDocument)
    return found


def asked(operation: Operation, auth_by: str = SYSTEM, **given: Any) -> OperationRequest:
    """An ask about the number of the cases."""
    return OperationRequest(operation, NUMBER, auth_by, **given)


def decided(
    ask: OperationRequest,
    document: NumberDocument | None,
    *,
    policy: ManagerPolicy | None = None,
    porting: bool = False,
    known: Mapping[str, AccountDocument] = ACCOUNTS,
    now: int = NOW,
) -> Plan:
    """Decide as the manager does: with the accounts concerned, and the carrier that looks after the number."""
    policy = policy or ManagerPolicy()
    affected = accounts_to_read(ask, document)
    return decide(
        ask,
        document,
        {name: account for name, account in known.items() if name in affected},
        policy,
        traits(carrier_name(ask, document, policy)),
        porting=porting,
        now=now,
    )


def saved(plan: Plan) -> NumberDocument | None:
    """The document that stands after a plan is carried out."""
    return replace(plan.after, revision="2-b") if plan.after is not None else None


TELNYX: dict[str, Any] = {"pvt_module_name": "knm_telnyx"}


def owned(state: str = "in_service", by: str = R, **fields: Any) -> NumberDocument:
    """A number of an account's, on a carrier outside."""
    return number(pvt_number_state=state, pvt_assigned_to=by, **{**TELNYX, **fields})


def refusal(*args: Any, **given: Any) -> NumberError:
    """The refusal that a decision must be."""
    with pytest.raises(NumberError) as caught:
        decided(*args, **given)
    return caught.value
