"""Waiting for the number database: once per number, never past the deadline, and not at all when it is down."""

import threading
import time
from typing import Any

import grpc

from router.v1 import inbound_pb2 as pb
from tests.integration.conftest import BOTH_TRANSPORTS, Running, StartService
from tests.integration.lookup_client import Refusal, outcome
from tests.integration.real_stores import NUMBER, ONE, TWO, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

pytestmark = BOTH_TRANSPORTS

READ = r"GET /numbers/\+1415/\+14158867900"


def _is_document(_: str, target: str) -> bool:
    return target.startswith("/numbers/")


def _start_while_a_shard_hangs(
    stores: RealStores, relay: Relay, start_service: StartService, **settings: Any
) -> Running:
    """Start a service that has connected to CouchDB; the shard of NUMBER answers nothing from here on."""
    stores.number("+14420000001", TWO)
    running = start_service(couchdb_read_timeout=30, **settings)
    running.caller.account("+14150000001")
    relay.hold(lambda _, target: target.startswith("/numbers/+1415"))
    return running


def test_fifty_callers_of_one_number_share_one_read(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    stores.number()
    running = start_service()
    running.caller.account("+14150000001")
    relay.hold(_is_document)
    calls = [running.caller.begin(NUMBER) for _ in range(50)]
    eventually(lambda: running.service.lookup.counts["miss"] == 51)
    relay.release()
    answers = [outcome(each) for each in calls]
    assert {each.account_id for each in answers if isinstance(each, pb.LookupResponse)} == {ONE}
    assert len(answers) == 50
    assert relay.count(READ) == 1


def test_authoritative_call_joins_no_read_that_began_before_it(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    stores.number()
    running = start_service()
    running.caller.account("+14150000001")
    relay.hold(_is_document)
    calls = [running.caller.begin(NUMBER)]
    eventually(lambda: relay.count(READ) == 1)
    calls.append(running.caller.begin(NUMBER, authoritative=True))
    eventually(lambda: relay.count(READ) == 2)
    relay.release()
    for each in calls:
        result = outcome(each)
        assert isinstance(result, pb.LookupResponse)
        assert result.source == pb.NUMBER_DATABASE


def test_second_miss_after_the_first_landed_reads_again(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    stores.number()
    running = start_service()
    running.caller.route(NUMBER, authoritative=True)
    running.caller.route(NUMBER, authoritative=True)
    assert relay.count(READ) == 2


def test_numbers_of_one_batch_and_database_share_a_request(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    names = stores.numbers("numbers/+1415", 250)
    running = start_service()
    assert all(each.HasField("route") for each in running.caller.batch(names))
    assert relay.count("POST /numbers/\\+1415/_all_docs") == 3


def test_misses_while_the_readers_are_busy_share_a_request(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    names = stores.numbers("numbers/+1415", 42)
    running = start_service(couchdb_read_pool_size=4, couchdb_read_timeout=30)
    running.caller.account("+14420000001")
    relay.hold(_is_document)
    calls = []
    for asked, name in enumerate(names, start=1):
        calls.append(running.caller.begin(name))
        if asked <= 2:
            eventually(lambda: relay.count(r"/numbers/\+1415/") == asked)  # noqa: B023 - called at once
    eventually(lambda: running.service.origin.in_flight == 42)
    relay.release()
    assert all(isinstance(outcome(each), pb.LookupResponse) for each in calls)
    assert relay.count(r"GET /numbers/\+1415/") == 2
    assert relay.count(r"POST /numbers/\+1415/_all_docs") == 1


def test_database_that_hangs_leaves_readers_to_the_others(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    running = _start_while_a_shard_hangs(stores, relay, start_service, couchdb_read_pool_size=4)
    waiting = [running.caller.begin(f"+1415000{index:04}") for index in range(100, 120)]
    eventually(lambda: running.service.origin.in_flight == 20)
    assert running.caller.account("+14420000001") == TWO
    relay.release()
    assert all(isinstance(outcome(each), Refusal) for each in waiting)


def test_calls_with_a_hanging_database_end_before_their_deadline(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    stores.number()
    running = start_service(couchdb_read_timeout=30)
    running.caller.account("+14150000001")
    relay.hold(_is_document)
    for timeout in (0.4, 1.0):
        result = running.caller.refusal(NUMBER, timeout=timeout)
        assert (result.code, result.reason) == (grpc.StatusCode.UNAVAILABLE, "NUMBER_DATABASE_UNAVAILABLE")
        assert result.retry_after is not None
        assert result.retry_after > 0
        assert result.metadata["number"] == NUMBER


def test_batch_is_answered_before_its_deadline_while_the_database_hangs(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    stores.number()
    running = _start_while_a_shard_hangs(stores, relay, start_service)
    asked = pb.LookupBatchRequest(lookups=[pb.LookupRequest(number=each) for each in (NUMBER, "+14420000001")])
    outcomes = running.caller.stub.LookupBatch(asked, timeout=1.0).outcomes
    assert outcomes[0].refusal.reason == pb.NUMBER_DATABASE_UNAVAILABLE
    assert outcomes[1].route.account_id == TWO


def test_caller_without_a_deadline_is_given_one(stores: RealStores, relay: Relay, start_service: StartService) -> None:
    running = start_service(couchdb_read_timeout=30, lookup_timeout=0.3)
    running.caller.account("+14150000001")
    relay.hold(_is_document)
    result = running.caller.refusal(NUMBER, timeout=None)
    assert result.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


def test_database_that_hangs_is_unavailable_after_its_own_time_limit(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    running = start_service(couchdb_read_timeout=0.2)
    running.caller.account("+14150000001")
    relay.hold(_is_document)
    assert running.caller.account(NUMBER) == "NUMBER_DATABASE_UNAVAILABLE"


def test_database_that_is_down_is_left_alone(stores: RealStores, relay: Relay, start_service: StartService) -> None:
    running = start_service(circuit_breaker_failures=3, circuit_breaker_reset_timeout=60)
    running.caller.account("+14150000001")
    stores.couchdb.stop()
    reasons = {running.caller.account(f"+1415000{index:04}") for index in range(40)}
    assert reasons == {"NUMBER_DATABASE_UNAVAILABLE"}
    assert relay.count(r"GET /numbers/.*000\d{4}") <= 2 * 4
    assert running.caller.refusal(NUMBER).retry_after


def test_database_that_comes_back_is_asked_again(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    running = start_service(circuit_breaker_failures=2, circuit_breaker_reset_timeout=0.2)
    stores.couchdb.stop()
    for index in range(4):
        assert running.caller.account(f"+1415000{index:04}") == "NUMBER_DATABASE_UNAVAILABLE"
    stores.couchdb.start()
    assert eventually(lambda: running.caller.account(NUMBER) == ONE)


def test_number_in_redis_is_answered_while_the_database_hangs(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    stores.number()
    stores.mark_reference_data_complete()
    running = start_service(couchdb_read_timeout=30)
    running.caller.route(NUMBER)
    eventually(lambda: stores.cached() == ONE)
    relay.hold(_is_document)
    waiting = [running.caller.begin(f"+1415000{index:04}", timeout=10) for index in range(60)]
    assert running.caller.account(NUMBER, timeout=5) == ONE
    relay.release()
    assert all(isinstance(outcome(each), Refusal) for each in waiting)


def test_more_numbers_than_may_wait_are_refused_at_once(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    running = start_service(couchdb_max_pending_reads=10, couchdb_read_timeout=30)
    running.caller.account("+14150000001")
    relay.hold(_is_document)
    numbers = [f"+1415000{index:04}" for index in range(30)]
    results: list[list[pb.LookupOutcome]] = []
    asking = threading.Thread(target=lambda: results.append(running.caller.batch(numbers)))
    asking.start()
    eventually(lambda: running.service.lookup.counts["miss"] == 31)
    assert running.service.origin.in_flight <= 10
    relay.release()
    asking.join(20)
    reasons = [pb.Reason.Name(each.refusal.reason) for each in results[0]]
    assert reasons == ["NUMBER_NOT_FOUND"] * 10 + ["OVERLOADED"] * 20


def test_one_number_asked_for_again_and_again_while_the_database_hangs(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    stores.number()
    running = start_service(couchdb_max_pending_reads=4, couchdb_read_timeout=30)
    running.caller.account("+14150000001")
    relay.hold(_is_document)
    results: list[list[pb.LookupOutcome]] = []
    asking = threading.Thread(target=lambda: results.append(running.caller.batch([NUMBER] * 50)))
    asking.start()
    eventually(lambda: running.service.lookup.counts["miss"] == 51)
    relay.release()
    asking.join(20)
    assert [each.route.account_id for each in results[0]] == [ONE] * 20 + [""] * 30
    assert {each.refusal.reason for each in results[0][20:]} == {pb.OVERLOADED}


def test_scan_of_numbers_that_do_not_exist_costs_few_reads(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    stores.number()
    stores.mark_reference_data_complete()
    running = start_service()
    absent = [f"+1415{index:07}" for index in range(3000)]
    for start in range(0, len(absent), 1000):
        reasons = {each.refusal.reason for each in running.caller.batch(absent[start : start + 1000])}
        assert reasons == {pb.NUMBER_NOT_FOUND}
    assert relay.count(r"/numbers/") <= len(absent) // 50
    # An answer goes out before what was read is kept.
    listings = running.service.near.negative_ranges
    eventually(lambda: listings.is_absent(absent[-1], time.monotonic()) or stores.cached(absent[-1]) == "nothing")
    reads = r"/numbers/\+1415/(\+|_all_docs\?include_docs)"
    before = relay.count(reads)
    assert running.caller.account(absent[-1]) == "NUMBER_NOT_FOUND"
    assert relay.count(reads) == before


def test_cancelled_caller_affects_no_other(stores: RealStores, relay: Relay, start_service: StartService) -> None:
    stores.number()
    running = start_service()
    running.caller.account("+14150000001")
    relay.hold(_is_document)
    calls = [running.caller.begin(NUMBER) for _ in range(10)]
    eventually(lambda: running.service.lookup.counts["miss"] == 11)
    for each in calls[::2]:
        each.cancel()
    relay.release()
    answers = [outcome(each) for each in calls[1::2]]
    assert [each.account_id for each in answers if isinstance(each, pb.LookupResponse)] == [ONE] * 5
    assert running.caller.account(NUMBER) == ONE


def test_deadline_that_is_over_is_reported_as_one(stores: RealStores, start_service: StartService) -> None:
    result = start_service().caller.refusal(NUMBER, timeout=0.000001)
    assert result.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_read_from_before_a_rebuild_is_answered_and_not_kept(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    stores.number()
    running = start_service()
    running.caller.account("+14150000001")
    relay.hold(_is_document)
    call = running.caller.begin(NUMBER)
    eventually(lambda: relay.count(READ) == 1)
    stores.writer.checkpoints.begin_epoch("numbers/+1415", 1, instance_start_time="later", purge_seq=0, fingerprint="s")
    relay.release()
    result = outcome(call)
    assert isinstance(result, pb.LookupResponse)
    assert result.account_id == ONE
    running.caller.account("+14150000009")
    eventually(lambda: stores.cached("+14150000009") == "nothing")
    assert stores.cached() == ""


def test_so_many_explanations_wait_and_hold_up_nothing_else(
    stores: RealStores, relay: Relay, start_service: StartService
) -> None:
    stores.number()
    running = _start_while_a_shard_hangs(stores, relay, start_service)
    asked = pb.ExplainRequest(lookup=pb.LookupRequest(number=NUMBER))
    explained = [running.caller.stub.Explain.future(asked, timeout=60) for _ in range(40)]
    eventually(lambda: sum(each.done() for each in explained) == 8)
    assert [each.route.account_id for each in running.caller.batch(["+14420000001"])] == [TWO]
    relay.release()
    refused = [outcome(each) for each in explained if each.exception() is not None]
    assert len(refused) == 8
    for each in refused:
        assert isinstance(each, Refusal)
        assert (each.code, each.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert each.retry_after


def test_batches_are_refused_when_too_many_numbers_wait_for_threads(
    stores: RealStores, start_service: StartService
) -> None:
    stores.number()
    running = start_service(max_queued_calls=1000)
    asked = pb.LookupBatchRequest(lookups=[pb.LookupRequest(number=NUMBER)] * 1000)
    reported: set[str] = set()

    def ask_many() -> bool:
        for each in [running.caller.stub.LookupBatch.future(asked, timeout=60) for _ in range(30)]:
            problem: Any = each.exception()
            reported.add("OK" if problem is None else f"{problem.code().name} {problem.details()[:25]}")
        return len(reported) > 1

    eventually(ask_many)
    assert reported == {"OK", "RESOURCE_EXHAUSTED more is asked than can be"}
    refused = running.service.observation.lookups[("grpc", "failed", "OVERLOADED", "none")]
    assert refused >= 1000
    assert refused % 1000 == 0
