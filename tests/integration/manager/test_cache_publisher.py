"""A lookup anywhere on the same Redis gives the new answer once a change is answered, without a follower."""

import threading
from typing import Any

import pytest

from router.embedded import EmbeddedRedis
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.manager.manager import NumberManager
from router.near_cache import barrier
from router.redis_store.keys import Keys
from router.stores.clients import Stores
from router.trust.trust import UNAVAILABLE
from router.v1 import inbound_pb2 as pb
from router.v1 import numbers_pb2 as npb
from router.v1.numbers_pb2_grpc import NumberManagerStub
from tests.integration.conftest import BOTH_TRANSPORTS, Running, StartService
from tests.integration.manager_stores import CHILD, INVENTORY, RESELLER, SHARD, STRANGER, Manager, family
from tests.integration.real_stores import NUMBER, RealStores
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer than a change is held up for."""
    monkeypatch.setattr(barrier, "TIMEOUT", 10.0)


def _near(running: Running, number: str = NUMBER) -> None:
    """Ask until the worker answers from its own memory."""
    eventually(lambda: running.caller.route(number).source == pb.NEAR_CACHE)


def _move(running: Running, account: str, *numbers: str) -> None:
    stub = NumberManagerStub(running.caller.channel)
    asked = npb.MoveNumbersRequest(numbers=numbers or [NUMBER], auth_by=SYSTEM, assign_to=account)
    for result in stub.Move(asked, timeout=20).results:
        assert not result.HasField("error"), result
        assert result.record.assigned_to == account
        assert not result.record.warnings, result


@BOTH_TRANSPORTS
def test_two_workers_tell_the_new_owner_at_once(stores: RealStores, start_service: StartService) -> None:
    family(stores)
    stores.mark_reference_data_complete()
    first, second = start_service(), start_service()
    for each in (first, second):
        eventually(lambda each=each: each.service.trust.current.near is not UNAVAILABLE)  # type: ignore[misc]
    Manager(stores).created()
    owners = (RESELLER, STRANGER, CHILD) * 8
    for account in owners:
        for each in (first, second):
            _near(each)
        _move(first, account)
        for each in (second, first):
            assert each.caller.account(NUMBER) == account


def test_many_at_once(stores: RealStores, start_service: StartService) -> None:
    family(stores)
    stores.mark_reference_data_complete()
    first, second = start_service(), start_service()
    numbers = [f"+1{area}886{index:04}" for area in range(201, 206) for index in range(60)]
    Manager(stores).created(*numbers)
    for account in (RESELLER, STRANGER, CHILD):
        for each in (first, second):
            each.caller.batch(numbers)
            each.caller.batch(numbers)
        _move(second, account, *numbers)
        for each in (first, second):
            assert {outcome.route.account_id for outcome in each.caller.batch(numbers)} == {account}


def test_entry_of_a_recreated_database_is_replaced_by_the_manager(
    stores: RealStores, start_service: StartService
) -> None:
    """The entry of the former database has the higher revision, and is wrong all the same."""
    family(stores)
    stores.mark_reference_data_complete()
    running = start_service()
    manager = Manager(stores)
    manager.created()
    for account in (RESELLER, STRANGER, CHILD):
        manager.done("move", assign_to=account)
    _near(running)
    stores.databases.database(SHARD).drop()
    stores.number(account=RESELLER)
    assert running.caller.account(NUMBER) == CHILD, "nobody follows, and nothing was written"
    _move(running, STRANGER)
    assert running.caller.account(NUMBER) == STRANGER


def test_number_that_comes_goes_and_comes_back(stores: RealStores, start_service: StartService) -> None:
    family(stores)
    stores.mark_reference_data_complete()
    running = start_service(negative_ttl=600)
    manager = Manager(stores)
    for _ in range(3):
        assert running.caller.account(NUMBER) == "NUMBER_NOT_FOUND"
        assert running.caller.account(NUMBER) == "NUMBER_NOT_FOUND"
        manager.created()
        assert running.caller.account(NUMBER) == CHILD
        _near(running)
        assert manager.ask("delete").deleted


def test_database_that_was_made_anew_in_between_is_read_again(stores: RealStores) -> None:
    manager = Manager(stores)
    family(stores)
    stores.writer.checkpoints.begin_epoch(SHARD, 1, instance_start_time="1", purge_seq=0, fingerprint="")
    teller = manager.manager._publisher
    epochs = teller.epochs

    def late(databases: Any) -> dict[str, str]:
        reported = epochs(databases)
        stores.writer.checkpoints.begin_epoch(
            SHARD, 2, instance_start_time="2", purge_seq=0, fingerprint=""
        )  # a follower begins with it
        return reported

    teller.epochs = late  # type: ignore[method-assign]
    manager.created()
    assert stores.cached() == CHILD


def test_change_stands_although_redis_is_away(stores: RealStores) -> None:
    family(stores)
    with EmbeddedRedis() as redis:
        port = redis.port
        settings = stores.settings(redis_url=redis.url)
        manager = NumberManager(settings, Stores(settings))
    outcome = manager.carry_out(
        [OperationRequest(Operation.CREATE, NUMBER, SYSTEM, assign_to=CHILD, module_name=INVENTORY)]
    )[0]
    assert outcome.error is None
    assert ["Redis is unavailable" in warning for warning in outcome.warnings] == [True]
    assert stores.databases.database(SHARD).get(NUMBER)["pvt_assigned_to"] == CHILD
    moved = OperationRequest(Operation.MOVE, NUMBER, SYSTEM, assign_to=RESELLER)
    with EmbeddedRedis(port):
        eventually(lambda: not manager.carry_out([moved])[0].warnings)
    manager.close()


def test_repetition_tells_what_a_writer_that_died_did_not(stores: RealStores) -> None:
    manager = Manager(stores)
    family(stores)
    manager.created()
    # WriteResult, and then nothing: as if by a manager that was killed there.
    document = stores.databases.database(SHARD).get(NUMBER)
    stores.databases.database(SHARD).put({**document, "pvt_assigned_to": RESELLER, "pvt_previously_assigned_to": CHILD})
    assert stores.cached() == CHILD
    outcome = manager.ask("move", assign_to=RESELLER)
    assert (outcome.error, outcome.unchanged, outcome.warnings) == (None, True, ())
    assert stores.cached() == RESELLER
    listed = [
        stores.databases.database(f"account/{who[:2]}/{who[2:4]}/{who[4:]}").get("phone_numbers")
        for who in (RESELLER, CHILD)
    ]
    assert [NUMBER in each for each in listed] == [True, False]


def test_publish_frozen_worker_is_a_warning(stores: RealStores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barrier, "TIMEOUT", 0.1)
    family(stores)
    manager = Manager(stores)
    mute = stores.redis.pubsub()
    mute.subscribe(Keys(stores.prefix).barrier)
    eventually(lambda: stores.redis.pubsub_numsub(stores.keys.barrier)[0][1] == 1)
    outcome = manager.ask("create", assign_to=CHILD)
    mute.close()
    assert outcome.error is None
    assert ["1 workers" in warning for warning in outcome.warnings] == [True]


def test_lookups_never_see_an_owner_that_was_given_up(stores: RealStores, start_service: StartService) -> None:
    """While numbers change hands, whoever asks after a change was answered never gets an earlier owner."""
    family(stores)
    stores.mark_reference_data_complete()
    workers = [start_service(), start_service()]
    manager = Manager(stores)
    numbers = [f"+1415886{index:04}" for index in range(4)]
    manager.created(*numbers)
    owner = dict.fromkeys(numbers, 0)
    accounts = [f"{index:032x}" for index in range(1, 61)]
    stores.databases.database("accounts").put_many([{"_id": each, "pvt_type": "account"} for each in accounts])
    wrong: list[str] = []
    done = threading.Event()

    def ask(running: Running) -> None:
        while not done.is_set():
            for number in numbers:
                least = owner[number]
                printed = running.caller.account(number)
                if printed in accounts and accounts.index(printed) + 1 < least:
                    wrong.append(f"{number}: {printed} after {least}")

    askers = [threading.Thread(target=ask, args=(each,)) for each in workers]
    for each in askers:
        each.start()
    for index, account in enumerate(accounts):
        for number in numbers:
            assert manager.done("move", number, assign_to=account)
            owner[number] = index + 1
    done.set()
    for each in askers:
        each.join()
    assert wrong == []


@pytest.mark.parametrize("operation", ["get", "create"])
def test_couchdb_is_away(stores: RealStores, operation: str) -> None:
    family(stores)
    manager = Manager(stores)
    manager.created("+14158860001")
    stores.couchdb.stop()
    outcome = manager.ask(operation, assign_to=CHILD)
    stores.couchdb.start()
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.cause) == (500, "database_unavailable")
    manager.created()
