"""router.v1.NumberManager over gRPC, on either transport."""

from collections.abc import Callable, Iterable
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from router.account_copies.names import account_database
from router.lifecycle.operations import SYSTEM
from router.v1 import numbers_pb2 as pb
from router.v1.numbers_pb2_grpc import NumberManagerStub
from tests.integration.conftest import BOTH_TRANSPORTS, Running, StartService
from tests.integration.manager_stores import CHILD, INVENTORY, MASTER, RESELLER, SHARD, STRANGER, family
from tests.integration.real_stores import NUMBER, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

pytestmark = BOTH_TRANSPORTS

NUMBERS = "router.v1.NumberManager"
PATIENCE = 20


@pytest.fixture
def running(stores: RealStores, start_service: StartService) -> Running:
    family(stores)
    return start_service()


@pytest.fixture
def stub(running: Running) -> NumberManagerStub:
    return NumberManagerStub(running.caller.channel)


def fields(**values: Any) -> Struct:
    made = Struct()
    made.update(values)
    return made


def create(stub: NumberManagerStub, *numbers: str, **more: Any) -> pb.NumbersResponse:
    asked: dict[str, Any] = {"auth_by": SYSTEM, "assign_to": CHILD, "module_name": INVENTORY, **more}
    return stub.Create(pb.CreateNumbersRequest(numbers=numbers or [NUMBER], **asked), timeout=PATIENCE)


def records(response: pb.NumbersResponse) -> list[pb.NumberRecord]:
    assert [result.error.message for result in response.results if result.HasField("error")] == []
    return [result.record for result in response.results]


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str, str, float]:
    """The status, its reason, its message, and the seconds until another try (0: none)."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    problem: Any = caught.value
    status = rpc_status.from_call(problem)
    info, retry = ErrorInfo(), RetryInfo()
    for detail in status.details if status is not None else ():
        detail.Unpack(retry if detail.Is(RetryInfo.DESCRIPTOR) else info)
    return problem.code(), info.reason, problem.details() or "", retry.retry_delay.ToSeconds()


def test_get_compares_accounts_copies_on_request(stores: RealStores, stub: NumberManagerStub) -> None:
    create(stub)
    database = str(account_database(CHILD))
    held = stores.databases.database(database).get("phone_numbers")
    asked = pb.GetNumbersRequest(numbers=[NUMBER], auth_by=SYSTEM)
    [plain] = records(stub.Get(asked, timeout=PATIENCE))
    asked.compare_copies = True
    [equal] = records(stub.Get(asked, timeout=PATIENCE))
    stores.databases.database(database).put({**held, NUMBER: {"state": "aging"}})
    [different] = records(stub.Get(asked, timeout=PATIENCE))
    stores.databases.database(database).put({"_id": "phone_numbers", "_rev": _revision(stores, database)})
    [missing] = records(stub.Get(asked, timeout=PATIENCE))
    stores.databases.database(database).drop()
    [without] = records(stub.Get(asked, timeout=PATIENCE))

    def kinds(record: pb.NumberRecord) -> dict[str, list[tuple[str, str]]]:
        return {copy.account_id: [(each.format, each.kind) for each in copy.differences] for copy in record.copies}

    assert kinds(plain) == {}
    assert kinds(equal)[CHILD] == []
    assert kinds(different)[CHILD] == [("phone_numbers", "different")]
    assert kinds(missing)[CHILD] == [("phone_numbers", "missing")]
    assert kinds(without)[CHILD] == []
    assert {copy.account_id for copy in without.copies if copy.no_database} - {
        copy.account_id for copy in missing.copies if copy.no_database
    } == {CHILD}


def _revision(stores: RealStores, database: str) -> str:
    return str(stores.databases.database(database).get("phone_numbers")["_rev"])


def test_every_call(stores: RealStores, running: Running, stub: NumberManagerStub) -> None:
    [made] = records(create(stub, "(415) 886-7900", assign_to=RESELLER, state="reserved"))
    assert (made.number, made.state, made.assigned_to, list(made.reserve_history)) == (
        NUMBER,
        "reserved",
        RESELLER,
        [RESELLER],
    )
    assert (made.authorizing_account, made.module_name) == (SYSTEM, INVENTORY)
    assert made.created == made.modified > 1_700_000_000
    assert made.revision == stores.databases.database(SHARD).get(NUMBER)["_rev"]

    who: dict[str, Any] = {"numbers": [NUMBER], "auth_by": CHILD}
    public = fields(cnam={"display_name": "Acme"}, custom={"priority": 3, "weight": 0.5, "list": [1, None, True]})
    [moved] = records(stub.Move(pb.MoveNumbersRequest(**who, assign_to=CHILD, public_fields=public), timeout=PATIENCE))
    assert (moved.state, moved.assigned_to, moved.previously_assigned_to) == ("in_service", CHILD, RESELLER)
    assert MessageToDict(moved.features) == {"outbound_cnam": {"display_name": "Acme"}}
    custom = stores.databases.database(SHARD).get(NUMBER)["custom"]
    assert custom == {"priority": 3, "weight": 0.5, "list": [1, None, True]}
    assert type(custom["priority"]) is int

    update = pb.UpdateNumbersRequest(**who, public_fields=fields(custom=None, note="new"))
    [updated] = records(stub.Update(update, timeout=PATIENCE))
    assert MessageToDict(updated.public_fields) == {"cnam": {"display_name": "Acme"}, "note": "new"}
    update = pb.UpdateNumbersRequest(**who, public_fields=fields(note="alone"), replace=True)
    [updated] = records(stub.Update(update, timeout=PATIENCE))
    assert MessageToDict(updated.public_fields) == {"note": "alone"}
    assert not updated.features.fields

    [used] = records(stub.AssignToApp(pb.AssignToAppRequest(**who, used_by="callflow"), timeout=PATIENCE))
    assert used.used_by == "callflow"
    [got] = records(stub.Get(pb.GetNumbersRequest(**who), timeout=PATIENCE))
    assert (got.unchanged, got.revision) == (True, used.revision)

    listed = stub.ListByAccount(pb.ListByAccountRequest(account_id=CHILD, auth_by=RESELLER), timeout=PATIENCE)
    assert [each.number for each in listed.numbers] == [NUMBER]
    [reported] = stub.History(pb.HistoryRequest(**who), timeout=PATIENCE).results
    assert (reported.history.assigned_to, reported.history.previously_assigned_to) == (CHILD, RESELLER)
    assert list(reported.history.reserve_history) == [RESELLER]

    [released] = records(stub.Release(pb.ReleaseNumbersRequest(**who), timeout=PATIENCE))
    assert (released.state, released.assigned_to) == ("reserved", RESELLER)
    reserve = pb.ReserveNumbersRequest(numbers=[NUMBER], auth_by=RESELLER, assign_to=CHILD)
    assert list(records(stub.Reserve(reserve, timeout=PATIENCE))[0].reserve_history) == [CHILD, RESELLER]
    deletion = pb.DeleteNumbersRequest(numbers=[NUMBER], auth_by=MASTER, dry_run=True)
    assert records(stub.Delete(deletion, timeout=PATIENCE))[0].deleted
    [removed] = records(stub.Delete(pb.DeleteNumbersRequest(numbers=[NUMBER], auth_by=MASTER), timeout=PATIENCE))
    assert (removed.deleted, removed.revision, removed.number) == (True, "", NUMBER)

    operations = running.page("/metrics")[1].decode()
    assert 'did_router_number_operations_total{error="",operation="move",outcome="done"} 1.0' in operations
    labels = 'grpc_method="router.v1.NumberManager/Move",grpc_status="OK"'
    assert f"grpc_server_call_duration_seconds_count{{{labels}}} 1.0" in operations


def test_result_for_each_in_order(stub: NumberManagerStub) -> None:
    create(stub)
    asked = pb.ReleaseNumbersRequest(numbers=["911", NUMBER, "+14158860001", NUMBER], auth_by=STRANGER)
    results = stub.Release(asked, timeout=PATIENCE).results
    assert [(each.number, each.error.code, each.error.error) for each in results] == [
        ("911", 404, "not_reconcilable"),
        (NUMBER, 403, "forbidden"),
        ("+14158860001", 404, "not_found"),
        (NUMBER, 403, "forbidden"),
    ]
    assert all(each.error.message for each in results)


def _bad(stub: NumberManagerStub) -> Iterable[tuple[Callable[[], object], str]]:
    yield lambda: stub.Get(pb.GetNumbersRequest(auth_by=SYSTEM)), "1 to 1000 numbers"
    yield lambda: stub.Get(pb.GetNumbersRequest(numbers=[NUMBER] * 1001, auth_by=SYSTEM)), "send several requests"
    yield lambda: stub.Release(pb.ReleaseNumbersRequest(numbers=[NUMBER])), "auth_by is empty"
    yield lambda: stub.History(pb.HistoryRequest(numbers=[NUMBER])), "auth_by is empty"
    yield lambda: stub.ListByAccount(pb.ListByAccountRequest(auth_by=SYSTEM)), "account_id is empty"
    yield lambda: stub.ListByAccount(pb.ListByAccountRequest(account_id=CHILD)), "auth_by is empty"
    listed: dict[str, Any] = {"account_id": CHILD, "auth_by": SYSTEM}
    yield lambda: stub.ListByAccount(pb.ListByAccountRequest(**listed, page_size=1001)), "use 1 to 1000"
    yield lambda: stub.ListByAccount(pb.ListByAccountRequest(**listed, page_token="2")), "next_page_token"


def test_request_that_cannot_be_worked_on_says_what_to_send(stub: NumberManagerStub) -> None:
    for call, text in _bad(stub):
        code, reason, message, _ = refusal(call)
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        assert text in message


def test_state_that_there_is_not_is_invalid(stub: NumberManagerStub) -> None:
    for auth_by in (SYSTEM, RESELLER, STRANGER):
        [result] = create(stub, auth_by=auth_by, state="bogus").results
        assert (result.error.code, result.error.error) == (400, "invalid")
        assert (
            "state is 'bogus', which is none: a number is created in aging, available, in_service"
            in result.error.message
        )
    [result] = create(stub, state="released").results
    assert (result.error.code, result.error.error) == (403, "forbidden"), "as in KAZOO: there is such a state"


def test_create_thousand_numbers_keeps_their_order(stub: NumberManagerStub) -> None:
    numbers = [f"+1415886{index:04}" for index in range(1000)]
    assert [each.number for each in records(create(stub, *numbers))] == numbers


def test_dry_run_has_no_revision(stores: RealStores, stub: NumberManagerStub) -> None:
    [would] = records(create(stub, dry_run=True))
    assert (would.state, would.assigned_to, would.revision) == ("in_service", CHILD, "")
    assert SHARD not in stores.databases.names()


def test_account_is_listed_page_by_page_either_way(stores: RealStores, stub: NumberManagerStub) -> None:
    numbers = [f"+1{area}886{index:04}" for area in range(201, 204) for index in range(4)]
    create(stub, *numbers)
    create(stub, "+12018869999", assign_to=STRANGER)
    for thorough in (False, True):
        seen: list[str] = []
        token = ""
        for _ in range(20):
            asked = pb.ListByAccountRequest(
                account_id=CHILD, auth_by=CHILD, page_size=5, page_token=token, thorough=thorough
            )
            page = stub.ListByAccount(asked, timeout=PATIENCE)
            assert len(page.numbers) <= 5
            seen += [each.number for each in page.numbers]
            token = page.next_page_token
            if not token:
                break
        assert seen == numbers


def test_list_that_is_behind_is_not_believed(stores: RealStores, stub: NumberManagerStub) -> None:
    create(stub, NUMBER, "+14158860001")
    document = stores.databases.database(SHARD).get(NUMBER)
    stores.databases.database(SHARD).put({**document, "pvt_assigned_to": STRANGER})
    stores.number("+14158860002", CHILD)
    asked: dict[str, Any] = {"account_id": CHILD, "auth_by": SYSTEM}
    listed = stub.ListByAccount(pb.ListByAccountRequest(**asked), timeout=PATIENCE)
    assert [each.number for each in listed.numbers] == ["+14158860001"]
    listed = stub.ListByAccount(pb.ListByAccountRequest(**asked, thorough=True), timeout=PATIENCE)
    assert [each.number for each in listed.numbers] == ["+14158860001", "+14158860002"]


def test_list_by_account_of_others_is_permission_denied(stub: NumberManagerStub) -> None:
    create(stub)
    for auth_by in (STRANGER, "nobody"):
        call = lambda auth_by=auth_by: stub.ListByAccount(pb.ListByAccountRequest(account_id=CHILD, auth_by=auth_by))  # noqa: E731
        code, reason, message, _ = refusal(call)
        assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "forbidden")
        assert "ask as that account" in message
    for auth_by in (CHILD, RESELLER, MASTER, SYSTEM):
        assert stub.ListByAccount(pb.ListByAccountRequest(account_id=CHILD, auth_by=auth_by)).numbers


def test_couchdb_is_away(stores: RealStores, running: Running, stub: NumberManagerStub) -> None:
    create(stub)
    eventually(lambda: running.caller.health(NUMBERS) == "SERVING")
    stores.couchdb.stop()
    who: dict[str, Any] = {"numbers": [NUMBER], "auth_by": SYSTEM}
    for call in (
        lambda: stub.Get(pb.GetNumbersRequest(**who), timeout=PATIENCE),
        lambda: stub.Move(pb.MoveNumbersRequest(**who, assign_to=RESELLER), timeout=PATIENCE),
        lambda: stub.ListByAccount(pb.ListByAccountRequest(account_id=CHILD, auth_by=SYSTEM), timeout=PATIENCE),
    ):
        code, reason, message, again = refusal(call)
        assert (code, reason, again) == (grpc.StatusCode.UNAVAILABLE, "NUMBER_DATABASE_UNAVAILABLE", 1)
        assert "CouchDB" in message
        assert "password" not in message
    eventually(lambda: running.caller.health(NUMBERS) == "NOT_SERVING")
    stores.couchdb.start()
    eventually(lambda: running.caller.health(NUMBERS) == "SERVING")
    assert records(stub.Get(pb.GetNumbersRequest(**who), timeout=PATIENCE))


def test_request_that_waited_beyond_its_deadline_is_not_begun(
    stores: RealStores, start_service: StartService, transport: str
) -> None:
    family(stores)
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        stub = NumberManagerStub(start_service(manager_threads=1).caller.channel)
        create(stub)
        relay.hold(lambda _, target: target.startswith("/numbers/"))
        first = stub.Move.future(
            pb.MoveNumbersRequest(numbers=[NUMBER], auth_by=SYSTEM, assign_to=RESELLER), timeout=PATIENCE
        )
        eventually(lambda: relay.count(r"POST /numbers/\+1415/_all_docs") == 2)
        late = pb.CreateNumbersRequest(numbers=["+14158860001"], auth_by=SYSTEM, assign_to=CHILD)
        code, *_ = refusal(lambda: stub.Create(late, timeout=0.3))
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        relay.release()
        assert records(first.result())[0].assigned_to == RESELLER
        [result] = stub.Get(pb.GetNumbersRequest(numbers=["+14158860001"], auth_by=SYSTEM), timeout=PATIENCE).results
        assert result.error.error == "not_found"


def test_too_many_calls_are_refused_at_once(stores: RealStores, start_service: StartService) -> None:
    family(stores)
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        stub = NumberManagerStub(start_service(manager_threads=1).caller.channel)
        relay.hold(lambda _, target: target.startswith("/system_config"))
        asked = pb.GetNumbersRequest(numbers=[NUMBER], auth_by=SYSTEM)
        waiting = [stub.Get.future(asked, timeout=PATIENCE) for _ in range(40)]
        refused = eventually(lambda: [each for each in waiting if each.done()])
        with pytest.raises(grpc.RpcError) as caught:
            refused[0].result()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        eventually(lambda: sum(each.done() for each in waiting) == 40 - 17)
        relay.release()
        assert sum(each.exception() is None for each in waiting) == 17


def test_reflection_tells_of_it(running: Running) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(running.caller.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    [reported] = list(stub.ServerReflectionInfo(iter([asked]), timeout=PATIENCE))
    assert NUMBERS in {service.name for service in reported.list_services_response.service}
