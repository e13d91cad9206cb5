"""A scan of unassigned numbers does not reach the database for each, and hides no new number."""

import random

import pytest

from router.lifecycle.operations import SYSTEM
from router.trust.trust import FRESH
from router.v1 import numbers_pb2 as npb
from router.v1.numbers_pb2_grpc import NumberManagerStub
from tests.integration.conftest import Running, StartService
from tests.integration.manager_stores import CHILD, INVENTORY, family
from tests.integration.real_stores import ONE, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

_ABSENT = [f"+1415886{index:04}" for index in range(600)]
_READ = r"/numbers/\+1415/(\+|_all_docs)"


@pytest.fixture
def running(stores: RealStores, relay: Relay, start_service: StartService) -> Running:
    """A service with its follower, and a thousand numbers elsewhere in the database.

    Redis may take its time: with its circuit breaker open, lookups would read the database, which is what is counted.
    """
    assert relay
    family(stores)
    stores.numbers("numbers/+1415", 1000)
    made = start_service(with_follower=True, redis_timeout=5.0)
    made.wait_ready()
    eventually(lambda: stores.complete("numbers/+1415") and made.service.trust.current.near is FRESH)
    return made


def _is_listing(_: str, target: str) -> bool:
    return "_all_docs?" in target and "start_key" in target


def _scan(running: Running, numbers: list[str]) -> set[str]:
    return {running.caller.account(number) for number in numbers}


def _shuffled() -> list[str]:
    numbers = list(_ABSENT)
    random.Random(1).shuffle(numbers)
    return numbers


@pytest.mark.parametrize("numbers", [_ABSENT, _ABSENT[::-1], _shuffled()], ids=["upwards", "downwards", "at random"])
def test_scan_one_after_the_other_costs_few_reads(running: Running, relay: Relay, numbers: list[str]) -> None:
    before = relay.count(_READ)
    assert _scan(running, numbers) == {"NUMBER_NOT_FOUND"}
    assert relay.count(_READ) - before <= len(numbers) // 5


def test_scan_without_a_database_costs_few_reads(running: Running, relay: Relay) -> None:
    assert _scan(running, [f"+1999886{index:04}" for index in range(600)]) == {"NUMBER_NOT_FOUND"}
    assert relay.count(r"/numbers/\+1999/") <= 120


def test_few_unknown_numbers_are_no_scan(running: Running, relay: Relay) -> None:
    _scan(running, _ABSENT[:5])
    assert relay.count(r"/numbers/\+1415/_all_docs") == 0


def test_numbers_in_the_middle_of_a_scan_route(running: Running, stores: RealStores) -> None:
    _scan(running, _ABSENT[:50])
    known = f"+1415{7:07}"
    assert running.caller.account(known) == ONE
    stores.number(_ABSENT[100], ONE)
    eventually(lambda: running.caller.account(_ABSENT[100]) == ONE)
    stores.remove("numbers/+1415", _ABSENT[100])
    eventually(lambda: running.caller.account(_ABSENT[100]) == "NUMBER_NOT_FOUND")


@pytest.mark.parametrize("prefix", ["+1415886", "+1999886"], ids=["a database", "no database yet"])
def test_number_acknowledged_by_the_manager_is_known_at_once(running: Running, prefix: str) -> None:
    """The listing that covers the number is believed up to the very change."""
    stub = NumberManagerStub(running.caller.channel)
    for index in range(20):
        numbers = [f"{prefix}{index:02}{each:02}" for each in range(20)]
        assert _scan(running, numbers) == {"NUMBER_NOT_FOUND"}
        eventually(lambda: _scan(running, numbers) and running.service.near.negative_ranges.is_absent(numbers[0], 0.0))  # noqa: B023
        asked = npb.CreateNumbersRequest(numbers=numbers[:1], auth_by=SYSTEM, assign_to=CHILD, module_name=INVENTORY)
        (result,) = stub.Create(asked, timeout=20).results
        assert not result.record.warnings
        assert running.caller.account(numbers[0]) == CHILD


def test_number_created_during_a_listing_is_known_at_once(running: Running, relay: Relay) -> None:
    relay.hold(_is_listing)
    _scan(running, _ABSENT[:20])
    eventually(lambda: relay.count("_all_docs.*start_key") > 0)
    stub = NumberManagerStub(running.caller.channel)
    asked = npb.CreateNumbersRequest(numbers=[_ABSENT[50]], auth_by=SYSTEM, assign_to=CHILD, module_name=INVENTORY)
    assert not stub.Create(asked, timeout=20).results[0].record.warnings
    relay.release()
    assert _scan(running, [*_ABSENT[20:50], *_ABSENT[51:80]]) == {"NUMBER_NOT_FOUND"}
    assert running.caller.account(_ABSENT[50]) == CHILD


def test_listing_that_fails_costs_nobody_an_answer(running: Running, relay: Relay) -> None:
    relay.cut(_is_listing)
    assert _scan(running, _ABSENT[:50]) == {"NUMBER_NOT_FOUND"}
    assert relay.count("_all_docs.*start_key") > 1
    assert not running.service.near.negative_ranges.is_absent(_ABSENT[51], 0.0)
    relay.cut(lambda *_: False)
    rest = iter(_ABSENT[50:])

    def is_listed() -> bool:
        # While a busy machine has the near cache stale, nothing is listed: the scan has to go on.
        assert _scan(running, [next(rest) for _ in range(10)]) == {"NUMBER_NOT_FOUND"}
        return running.service.near.negative_ranges.is_absent(_ABSENT[51], 0.0)

    eventually(is_listed, every=0.2)
