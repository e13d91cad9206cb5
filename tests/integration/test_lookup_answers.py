"""The answer about one number, and its source."""

from dataclasses import replace
from typing import Any

import grpc
import pytest

from router.v1 import inbound_pb2 as pb
from tests.integration.conftest import BOTH_TRANSPORTS, StartService
from tests.integration.lookup_client import Refusal
from tests.integration.real_stores import NUMBER, ONE, THREE, TWO, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

pytestmark = BOTH_TRANSPORTS


def test_database_answers_first_and_redis_afterwards(stores: RealStores, start_service: StartService) -> None:
    revision = stores.number(pvt_module_name="knm_bandwidth2", pvt_ported_in=True, pvt_used_by="callflow")
    stores.mark_reference_data_complete()
    caller = start_service().caller
    first = caller.route(NUMBER)
    assert first == pb.LookupResponse(
        account_id=ONE,
        number=NUMBER,
        revision=revision,
        source=pb.NUMBER_DATABASE,
        state="in_service",
        carrier="knm_bandwidth2",
        ported_in=True,
        used_by="callflow",
    )
    again = eventually(lambda: _from(caller.route(NUMBER), pb.REDIS))
    # No follower vouches for what Redis holds.
    assert again.stale
    again.source, again.stale = pb.NUMBER_DATABASE, False
    assert again == first


def _from(answer: pb.LookupResponse, source: int) -> pb.LookupResponse | None:
    return answer if answer.source == source else None


def test_number_is_found_however_it_is_written(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    caller = start_service().caller
    for written in ("14158867900", "4158867900", "tel:+1-415-886-7900", "sip:+14158867900@192.0.2.1;user=phone"):
        assert caller.route(written).number == NUMBER


def test_lookup_by_a_configured_dial_plan_finds_the_account(stores: RealStores, start_service: StartService) -> None:
    stores.number("+442079460018", TWO)
    caller = start_service(dial_plans={"london": {"region": "GB"}}).caller
    assert caller.account("020 7946 0018", dial_plan="london") == TWO
    assert caller.account("020 7946 0018") == "NOT_RECONCILABLE"


def _check(result: Refusal, code: grpc.StatusCode, reason: str, **reported: str) -> None:
    assert (result.code, result.reason, result.domain) == (code, reason, "did-router")
    assert result.metadata == reported
    assert result.message
    assert (result.retry_after is not None) == (code is grpc.StatusCode.UNAVAILABLE)


def test_lookup_of_a_word_is_not_reconcilable(stores: RealStores, start_service: StartService) -> None:
    result = start_service().caller.refusal("reception")
    _check(result, grpc.StatusCode.INVALID_ARGUMENT, "NOT_RECONCILABLE", number="reception")


def test_lookup_by_an_unknown_dial_plan_is_an_invalid_argument(stores: RealStores, start_service: StartService) -> None:
    result = start_service().caller.refusal(NUMBER, dial_plan="mars")
    _check(result, grpc.StatusCode.INVALID_ARGUMENT, "NOT_RECONCILABLE", number=NUMBER)
    assert "mars" in result.message


def test_lookup_without_a_document_is_not_found_and_cached(stores: RealStores, start_service: StartService) -> None:
    stores.create("numbers/+1415")
    caller = start_service().caller
    for _ in range(2):
        _check(caller.refusal(NUMBER), grpc.StatusCode.NOT_FOUND, "NUMBER_NOT_FOUND", number=NUMBER)
    eventually(lambda: stores.cached() == "nothing")


def test_lookup_without_a_database_is_not_found(stores: RealStores, start_service: StartService) -> None:
    result = start_service().caller.refusal(NUMBER)
    _check(result, grpc.StatusCode.NOT_FOUND, "NUMBER_NOT_FOUND", number=NUMBER)


def test_lookup_in_an_unroutable_state_is_refused_and_cached(stores: RealStores, start_service: StartService) -> None:
    stores.number(pvt_number_state="available")
    caller = start_service().caller
    for _ in range(2):
        _check(
            caller.refusal(NUMBER),
            grpc.StatusCode.FAILED_PRECONDITION,
            "NOT_IN_SERVICE",
            number=NUMBER,
            account_id=ONE,
            state="available",
        )
        eventually(lambda: stores.cached() == "refusal")


def test_lookup_without_an_assignee_is_refused_and_cached(stores: RealStores, start_service: StartService) -> None:
    stores.number(account=None)
    caller = start_service().caller
    for _ in range(2):
        _check(
            caller.refusal(NUMBER),
            grpc.StatusCode.FAILED_PRECONDITION,
            "UNASSIGNED",
            number=NUMBER,
            state="in_service",
        )
        eventually(lambda: stores.cached() == "refusal")


def test_lookup_of_a_disabled_account_is_refused(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    stores.account(ONE, enabled=False)
    caller = start_service().caller
    for _ in range(2):
        _check(
            caller.refusal(NUMBER),
            grpc.StatusCode.FAILED_PRECONDITION,
            "ACCOUNT_DISABLED",
            number=NUMBER,
            account_id=ONE,
            state="in_service",
        )
        eventually(lambda: stores.cached() == ONE)


def test_lookup_of_a_deleted_number_is_not_found(stores: RealStores, start_service: StartService) -> None:
    stores.number(pvt_deleted=True)
    result = start_service().caller.refusal(NUMBER)
    _check(result, grpc.StatusCode.NOT_FOUND, "NUMBER_NOT_FOUND", number=NUMBER)
    assert "pvt_deleted" in result.message


def test_account_without_a_document_routes_by_default(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    stores.create("accounts")
    assert start_service().caller.account(NUMBER) == ONE
    refusing = start_service(unknown_account="refuse").caller
    _refused_as_missing(refusing.refusal(NUMBER, authoritative=True))
    stores.mark_reference_data_complete()
    eventually(lambda: stores.cached() == ONE)
    _refused_as_missing(refusing.refusal(NUMBER))
    stores.account(ONE, enabled=False)
    result = refusing.refusal(NUMBER, authoritative=True)
    assert f"account {ONE} is disabled" in result.message


def _refused_as_missing(result: Refusal) -> None:
    _check(
        result,
        grpc.StatusCode.FAILED_PRECONDITION,
        "ACCOUNT_DISABLED",
        number=NUMBER,
        account_id=ONE,
        state="in_service",
    )
    assert f"account {ONE} has no document in the accounts database" in result.message
    assert "unknown_account" in result.message


def test_number_of_too_many_bytes_is_refused_by_the_limit(start_service: StartService) -> None:
    caller = start_service().caller
    for text, size in (("1" * 257, "257"), ("+" + "1" * 2000, "2,001"), ("ä" * 129, "258")):
        result = caller.refusal(text)
        assert (result.code, result.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "NOT_RECONCILABLE")
        assert f"a number of {size} bytes, and at most 256 are read" in result.message
        assert result.message in caller.explain(text).decision
    assert "is not a routable number" in caller.refusal("1" * 256).message


def test_routable_states_are_a_setting(stores: RealStores, start_service: StartService) -> None:
    stores.number("+14150000001", ONE, pvt_number_state="aging")
    stores.number("+14150000002", TWO, pvt_number_state="reserved")
    caller = start_service(routable_states=["aging"]).caller
    assert caller.account("+14150000001") == ONE
    assert caller.account("+14150000002") == "NOT_IN_SERVICE"


LONG_NUMBERS = ["+1415" + "8" * 10_000, "8" * 10_000, "sip:" + "a" * 10_000 + "@x", "+" * 10_000, "+1415" + "8" * 252]


def test_number_longer_than_any_is_refused_in_few_words(stores: RealStores, start_service: StartService) -> None:
    caller = start_service().caller
    for number in LONG_NUMBERS:
        result = caller.refusal(number)
        assert (result.code, result.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "NOT_RECONCILABLE")
        assert len(result.message) < 500
        assert len(result.metadata["number"]) <= 256


CONTROL = ["\x00", "\n\r\t", "+1415\r\nX-Evil: 1", "\x1b[2J", "\u202e+14158867900", "é" * 40, ""]


def test_control_characters_never_come_back(stores: RealStores, start_service: StartService) -> None:
    caller = start_service().caller
    for number in CONTROL:
        result = caller.refusal(number)
        assert result.code in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
        assert result.message.isprintable()
        assert all(value.isprintable() for value in result.metadata.values())


def test_lookup_of_malformed_bytes_is_an_invalid_argument(stores: RealStores, start_service: StartService) -> None:
    running = start_service()
    lookup: Any = running.caller.channel.unary_unary("/router.v1.InboundRouter/Lookup")
    with pytest.raises(grpc.RpcError) as problem:
        lookup(b"\x0a\xff\xff\xff", timeout=20)
    assert problem.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_one_active_port_request_routes_a_number_without_a_document(
    stores: RealStores, start_service: StartService
) -> None:
    stores.port("one", THREE, NUMBER)
    stores.create("numbers/+1415")
    result = start_service().caller.route(NUMBER)
    assert result == pb.LookupResponse(
        account_id=THREE,
        number=NUMBER,
        source=pb.PORT_REQUEST,
        state="port_in",
        pending_port=True,
        local=True,
        force_outbound=True,
        stale=result.stale,
    )


def test_two_active_port_requests_route_nowhere(stores: RealStores, start_service: StartService) -> None:
    stores.port("one", THREE, NUMBER)
    stores.port("two", TWO, NUMBER)
    assert start_service().caller.account(NUMBER) == "NUMBER_NOT_FOUND"


def test_port_request_that_is_over_routes_nowhere(stores: RealStores, start_service: StartService) -> None:
    stores.port("one", THREE, NUMBER, state="completed")
    assert start_service().caller.account(NUMBER) == "NUMBER_NOT_FOUND"


def test_number_document_stands_over_a_port_request(stores: RealStores, start_service: StartService) -> None:
    stores.port("one", THREE, NUMBER)
    stores.number(pvt_number_state="available")
    assert start_service().caller.account(NUMBER) == "NOT_IN_SERVICE"


def test_authoritative_knows_every_port_request_as_it_stands(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    caller = start_service().caller
    for _ in range(3):
        assert caller.account(NUMBER, authoritative=True) == "NUMBER_NOT_FOUND"
        stores.port("one", THREE, NUMBER)
        route = caller.route(NUMBER, authoritative=True)
        assert (route.account_id, route.source, route.stale) == (THREE, pb.PORT_REQUEST, False)
        stores.remove("port_requests", "one")
    readings = relay.count(r"/port_requests/_all_docs")
    for _ in range(5):
        assert caller.account(NUMBER, authoritative=True) == "NUMBER_NOT_FOUND"
    assert relay.count(r"/port_requests/_all_docs") <= readings + 1, "what did not change is not read again"
    stores.databases.database("port_requests").drop()
    assert caller.account(NUMBER, authoritative=True) == "NUMBER_NOT_FOUND"
    stores.port("one", TWO, NUMBER)
    assert caller.account(NUMBER, authoritative=True) == TWO


def test_authoritative_goes_past_what_redis_holds(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    stores.mark_reference_data_complete()
    caller = start_service().caller
    caller.route(NUMBER)
    eventually(lambda: stores.cached() == ONE)
    revision = stores.number(account=TWO)
    assert caller.account(NUMBER) == ONE, "nobody follows"
    result = caller.route(NUMBER, authoritative=True)
    assert (result.account_id, result.revision) == (TWO, revision)
    assert (result.source, result.stale) == (pb.NUMBER_DATABASE, False)
    eventually(lambda: stores.cached() == TWO)


POISON = [b"", b"x", b"\xff" * 200, bytes(20) + b"Z" + bytes(40), bytes(20) + b"R" + bytes(4)]


def test_poisoned_cache_value_is_passed_over_and_replaced(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    caller = start_service().caller
    for value in POISON:
        stores.redis.set(stores.keys.number(NUMBER), value)
        assert caller.account(NUMBER) == ONE
        eventually(lambda: stores.cached() == ONE)


BROKEN = [b"X" + bytes(6) + bytes([len(payload)]) + payload for payload in (b"\xff\xff\xff", b"", b"\x18\x7f")]


def test_unreadable_refusal_in_redis_affects_no_answer(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    stores.number("+14150000001", TWO)
    caller = start_service().caller
    for value in BROKEN:
        stores.redis.set(stores.keys.number(NUMBER), b"\xff" * 20 + value)
        outcomes = caller.batch([NUMBER, "+14150000001", NUMBER])
        assert [each.route.account_id for each in outcomes] == [ONE, TWO, ONE]
        assert caller.account(NUMBER) == ONE
        assert caller.account(NUMBER, authoritative=True) == ONE


def test_wrong_answer_in_the_cache_is_passed_over_when_asked_to(
    stores: RealStores, start_service: StartService
) -> None:
    stores.number()
    stores.mark_reference_data_complete()
    caller = start_service().caller
    caller.route(NUMBER)
    held = eventually(stores.held)
    wrong = replace(held, version=b"\x7f" + held.version[1:], payload=held.payload.replace(ONE.encode(), TWO.encode()))
    stores.redis.set(stores.keys.number(NUMBER), wrong.pack())
    assert caller.account(NUMBER) == TWO
    assert caller.account(NUMBER, authoritative=True) == ONE


def test_document_that_is_no_number_has_no_answer(stores: RealStores, start_service: StartService) -> None:
    stores.number(pvt_type="device")
    assert start_service().caller.account(NUMBER) == "NUMBER_NOT_FOUND"


ODD_DOCUMENTS: list[dict[str, Any]] = [
    {"pvt_assigned_to": 7, "pvt_number_state": ["in_service"], "pvt_features": "all"},
    {"pvt_assigned_to": "x" * 100, "pvt_number_state": "in_service"},
    {"pvt_assigned_to": "a b", "pvt_number_state": "in_service"},
    {"pvt_assigned_to": ONE, "pvt_number_state": {"deep": [[[[[]]]]]}},
    {"pvt_assigned_to": None, "pvt_number_state": None, "pvt_deleted": "perhaps"},
]


def test_malformed_document_refuses_its_own_number_alone(stores: RealStores, start_service: StartService) -> None:
    stores.number("+14150000001", TWO)
    odd = [f"+1415000001{index}" for index in range(len(ODD_DOCUMENTS))]
    for number, document in zip(odd, ODD_DOCUMENTS, strict=True):
        stores.put("numbers/+1415", number, **document)
    outcomes = start_service().caller.batch([*odd, "+14150000001"])
    assert [each.WhichOneof("outcome") for each in outcomes] == ["refusal"] * len(odd) + ["route"]
    assert outcomes[-1].route.account_id == TWO
