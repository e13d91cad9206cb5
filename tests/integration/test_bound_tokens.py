"""Tokens bound to an account: `auth_by` is that account or one below it, on either transport."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from router.lifecycle.operations import SYSTEM
from router.v1 import numbers_pb2 as pb
from router.v1.numbers_pb2_grpc import NumberManagerStub
from tests.integration.conftest import BOTH_TRANSPORTS, Running, StartService
from tests.integration.lookup_client import PATIENCE, Refusal, outcome
from tests.integration.manager_stores import CHILD, INVENTORY, MASTER, RESELLER, SHARD, STRANGER, family
from tests.integration.real_stores import NUMBER, RealStores
from tests.integration.tokens import Tokens
from tests.support.waiting import eventually

pytestmark = BOTH_TRANSPORTS

UNKNOWN = "f" * 32
DENIED = (grpc.StatusCode.PERMISSION_DENIED, "AUTH_BY_DENIED")


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    bound = {"reseller": f"manage@{RESELLER}", "child": f"manage@{CHILD}", "unknown": f"manage@{UNKNOWN}"}
    return Tokens(tmp_path / "tokens", **bound, billing="manage", root="manage,system", switch="lookup,system")


@pytest.fixture
def running(stores: RealStores, tokens: Tokens, start_service: StartService) -> Running:
    family(stores)
    stores.number(account=CHILD)
    return start_service(token_file=tokens.path)


Operate = Callable[..., Any]


@pytest.fixture
def ask(running: Running, tokens: Tokens) -> Operate:
    """Call a method with a token; the response, else what refused it."""
    stub: Any = NumberManagerStub(running.caller.channel)

    def call(name: str, method: str, auth_by: str, **more: Any) -> Any:
        request = _REQUESTS[method](auth_by=auth_by, **({"numbers": [NUMBER]} | _FIELDS.get(method, {}) | more))
        called = getattr(stub, method).future(request, timeout=PATIENCE, metadata=tokens.shown(name))
        try:
            return called.result()
        except grpc.RpcError:
            return outcome(called)

    return call


_REQUESTS: dict[str, Any] = {
    "Get": pb.GetNumbersRequest,
    "Create": pb.CreateNumbersRequest,
    "Reserve": pb.ReserveNumbersRequest,
    "Move": pb.MoveNumbersRequest,
    "Release": pb.ReleaseNumbersRequest,
    "Delete": pb.DeleteNumbersRequest,
    "Update": pb.UpdateNumbersRequest,
    "AssignToApp": pb.AssignToAppRequest,
    "History": pb.HistoryRequest,
    "ListByAccount": lambda auth_by, numbers, **more: pb.ListByAccountRequest(auth_by=auth_by, **more),
}
_GIVEN: dict[str, Any] = {"assign_to": CHILD}
_FIELDS: dict[str, dict[str, Any]] = {
    "Create": {**_GIVEN, "module_name": INVENTORY},
    "Reserve": _GIVEN,
    "Move": _GIVEN,
    "ListByAccount": {"account_id": CHILD},
}
_MUTATING = sorted(set(_REQUESTS) - {"Get", "History", "ListByAccount"})


def _is_denied(response: Any) -> bool:
    return isinstance(response, Refusal) and (response.code, response.reason) == DENIED


def test_no_method_takes_another_auth_by_than_the_tokens(stores: RealStores, ask: Operate) -> None:
    assert set(_REQUESTS) == {each.name for each in pb.DESCRIPTOR.services_by_name["NumberManager"].methods}
    before = stores.databases.database(SHARD).get(NUMBER)
    for method in _REQUESTS:
        for auth_by in (SYSTEM, MASTER, STRANGER, RESELLER, UNKNOWN, "nobody", CHILD.upper(), f"{CHILD} "):
            assert _is_denied(ask("child", method, auth_by)), (method, auth_by)
    for method in _MUTATING:
        assert _is_denied(ask("child", method, SYSTEM, dry_run=True)), method
    assert stores.databases.database(SHARD).get(NUMBER) == before


def test_bound_token_asks_as_its_account_and_as_those_below_it(ask: Operate) -> None:
    for name, auth_by in (("child", CHILD), ("reseller", RESELLER), ("reseller", CHILD)):
        assert ask(name, "Get", auth_by).results[0].record.assigned_to == CHILD
        assert ask(name, "History", auth_by).results[0].history.assigned_to == CHILD
        assert not _is_denied(ask(name, "ListByAccount", auth_by))
        for method in _MUTATING:
            assert not isinstance(ask(name, method, auth_by, dry_run=True), Refusal), (name, method)
    for auth_by in (SYSTEM, MASTER, STRANGER):
        assert _is_denied(ask("reseller", "Get", auth_by))
    used = ask("reseller", "AssignToApp", CHILD, used_by="callflow").results[0].record
    assert used.used_by == "callflow"


def test_bound_token_sees_no_number_beyond_its_tree(stores: RealStores, ask: Operate) -> None:
    other = "+14158867901"
    stores.number(other, account=STRANGER)
    assert ask("reseller", "Get", RESELLER, numbers=[other]).results[0].error.error == "forbidden"
    assert ask("reseller", "History", RESELLER, numbers=[other]).results[0].error.error == "forbidden"
    refused = ask("reseller", "ListByAccount", RESELLER, account_id=STRANGER)
    assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "forbidden")


def test_bound_token_follows_the_current_account_tree(stores: RealStores, ask: Operate) -> None:
    assert not _is_denied(ask("reseller", "Get", CHILD))
    stores.put("accounts", CHILD, pvt_type="account", pvt_tree=[MASTER])
    assert _is_denied(ask("reseller", "Get", CHILD))
    stores.put("accounts", CHILD, pvt_type="account", pvt_tree=[MASTER, RESELLER], pvt_deleted=True)
    assert _is_denied(ask("reseller", "Get", CHILD)), "a deleted account is below none"
    assert _is_denied(ask("unknown", "Get", CHILD))
    assert not _is_denied(ask("unknown", "Get", UNKNOWN))


def test_system_wants_its_scope(ask: Operate) -> None:
    for method in _REQUESTS:
        assert _is_denied(ask("billing", method, SYSTEM)), method
    for auth_by in (MASTER, RESELLER, CHILD):
        assert ask("billing", "Get", auth_by).results[0].record.assigned_to == CHILD, "unbound"
    assert ask("root", "Get", SYSTEM).results[0].record.assigned_to == CHILD
    assert ask("switch", "Get", SYSTEM).code is grpc.StatusCode.PERMISSION_DENIED, "system alone does not open manage"


def test_refusal_says_what_may_be_named(ask: Operate) -> None:
    refused = ask("child", "Get", f"x\n{RESELLER}")
    assert CHILD in refused.message
    assert "or one below it" in refused.message
    assert f"x?{RESELLER}" in refused.message
    assert "--scope system" in ask("billing", "Get", SYSTEM).message


def test_binding_is_changed_without_a_restart(running: Running, tokens: Tokens, ask: Operate) -> None:
    assert _is_denied(ask("child", "Get", RESELLER))
    tokens.replace(child=f"manage@{RESELLER}")
    eventually(lambda: not _is_denied(ask("child", "Get", RESELLER)))


def test_without_couchdb_nobody_is_taken_for_an_account_below(stores: RealStores, ask: Operate) -> None:
    stores.couchdb.stop()
    refused = ask("reseller", "Release", CHILD)
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "NUMBER_DATABASE_UNAVAILABLE")
    stores.couchdb.start()


def test_without_tokens_any_auth_by_is_taken(stores: RealStores, start_service: StartService) -> None:
    family(stores)
    stores.number(account=CHILD)
    stub = NumberManagerStub(start_service().caller.channel)
    got = stub.Get(pb.GetNumbersRequest(numbers=[NUMBER], auth_by=SYSTEM), timeout=PATIENCE)
    assert got.results[0].record.assigned_to == CHILD
