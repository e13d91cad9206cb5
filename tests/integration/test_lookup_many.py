"""Many numbers at once: batches, streams, and why one routes where it does."""

import json
import threading
import urllib.request
from collections.abc import Iterator

import grpc
import pytest
from redis import Redis

from router.embedded import EmbeddedRedis
from router.v1 import inbound_pb2 as pb
from tests.cli.command import run
from tests.integration.conftest import StartService
from tests.integration.lookup_client import request
from tests.integration.real_stores import NUMBER, ONE, THREE, TWO, RealStores
from tests.support.waiting import eventually

SHARDS = ("numbers/+1415", "numbers/+1442", "numbers/+4420")


def _result(outcome: pb.LookupOutcome) -> str:
    if outcome.WhichOneof("outcome") == "route":
        return f"{outcome.route.number} {outcome.route.account_id}"
    return f"{outcome.refusal.number} {pb.Reason.Name(outcome.refusal.reason)}"


def test_batch_answers_in_the_order_asked(stores: RealStores, start_service: StartService) -> None:
    for shard in SHARDS:
        stores.numbers(shard, 100)
    asked = [f"{SHARDS[index % 3].removeprefix('numbers/')}{index // 3:07}" for index in range(330)]
    wanted = [f"{each} {ONE if index // 3 < 100 else 'NUMBER_NOT_FOUND'}" for index, each in enumerate(asked)]
    caller = start_service().caller
    assert [_result(each) for each in caller.batch(asked)] == wanted
    eventually(lambda: all(map(stores.cached, asked[:300])))
    assert [_result(each) for each in caller.batch(reversed(asked))] == wanted[::-1]


def test_batch_may_name_a_number_twice(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    assert [_result(each) for each in start_service().caller.batch([NUMBER] * 40)] == [f"{NUMBER} {ONE}"] * 40


def test_batch_holds_at_most_a_thousand(stores: RealStores, start_service: StartService) -> None:
    names = stores.numbers("numbers/+1415", 1000)
    caller = start_service().caller
    assert {each.WhichOneof("outcome") for each in caller.batch(names)} == {"route"}
    with pytest.raises(grpc.RpcError) as problem:
        caller.batch([*names, NUMBER])
    assert problem.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "1000" in str(problem.value.details())


def test_empty_batch_is_answered(stores: RealStores, start_service: StartService) -> None:
    assert start_service().caller.batch([]) == []


def test_one_bad_number_hurts_no_other_in_its_batch(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    stores.number("+14150000002", TWO, pvt_number_state="available")
    asked = ["nobody", NUMBER, "\x00", "+14150000002", "+14150000003", "8" * 10_000, NUMBER]
    outcomes = start_service().caller.batch(asked)
    reasons = [pb.Reason.Name(each.refusal.reason) for each in outcomes if each.HasField("refusal")]
    assert [each.HasField("route") for each in outcomes] == [False, True, False, False, False, False, True]
    assert reasons == [
        "NOT_RECONCILABLE",
        "NOT_RECONCILABLE",
        "NOT_IN_SERVICE",
        "NUMBER_NOT_FOUND",
        "NOT_RECONCILABLE",
    ]


def test_batch_tells_what_a_single_lookup_tells(stores: RealStores, start_service: StartService) -> None:
    stores.number(pvt_number_state="available")
    stores.number("+14150000002", TWO, pvt_module_name="knm_inum")
    caller = start_service().caller
    refused, routed = caller.batch([NUMBER, "+14150000002"])
    single = caller.refusal(NUMBER)
    assert single.metadata == {
        "number": NUMBER,
        "account_id": refused.refusal.account_id,
        "state": refused.refusal.state,
    }
    assert (single.reason, single.message) == (pb.Reason.Name(refused.refusal.reason), refused.refusal.message)
    one = caller.route("+14150000002")
    one.source, one.stale = routed.route.source, routed.route.stale
    assert routed.route == one


def test_stream_matches_outcomes_by_the_callers_ids(stores: RealStores, start_service: StartService) -> None:
    names = stores.numbers("numbers/+1415", 300)
    asked = {f"call-{index}": name for index, name in enumerate(names)} | {"absent": NUMBER, "": "reception"}
    outcomes = {each.id: each.outcome for each in start_service().caller.stream(asked.items())}
    assert outcomes.keys() == asked.keys()
    for name, outcome in outcomes.items():
        wanted = {"absent": "NUMBER_NOT_FOUND", "": "NOT_RECONCILABLE"}.get(name, ONE)
        assert _result(outcome) == f"{asked[name]} {wanted}"


def test_stream_takes_more_than_may_wait_at_a_time(stores: RealStores, start_service: StartService) -> None:
    names = stores.numbers("numbers/+1415", 50)
    stores.mark_reference_data_complete()
    asked = [(str(index), names[index % 50]) for index in range(3000)]
    seen = [int(each.id) for each in start_service().caller.stream(asked)]
    assert sorted(seen) == list(range(3000))


def test_stream_answers_before_it_ends(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    go_on = threading.Event()

    def asked() -> Iterator[pb.LookupStreamRequest]:
        yield pb.LookupStreamRequest(id="first", lookup=request(NUMBER))
        go_on.wait(20)
        yield pb.LookupStreamRequest(id="second", lookup=request(NUMBER))

    answers = start_service().caller.stub.LookupStream(asked(), timeout=20)
    assert next(answers).id == "first"
    go_on.set()
    assert [each.id for each in answers] == ["second"]


def test_empty_stream_ends(stores: RealStores, start_service: StartService) -> None:
    assert list(start_service().caller.stream([])) == []


def test_cancelled_stream_affects_no_other(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    caller = start_service().caller
    never = threading.Event()

    def asked() -> Iterator[pb.LookupStreamRequest]:
        for index in range(100):
            yield pb.LookupStreamRequest(id=str(index), lookup=request(NUMBER))
        never.wait(20)

    answers = caller.stub.LookupStream(asked(), timeout=20)
    next(answers)
    answers.cancel()
    never.set()
    assert {each.id for each in caller.stream([("a", NUMBER), ("b", NUMBER)])} == {"a", "b"}


def test_explain_tells_what_each_layer_holds(stores: RealStores, start_service: StartService) -> None:
    revision = stores.number(pvt_modified=63_900_000_000)
    account_revision = stores.account(ONE)
    running = start_service(with_follower=True)
    running.wait_ready()
    eventually(lambda: stores.cached() == ONE)
    report = running.caller.explain("4158867900")
    assert (report.input, report.number, report.database) == ("4158867900", NUMBER, "numbers/+1415")
    assert report.reconcilable
    assert report.rule
    assert report.classification == "did_us"
    assert (report.redis.present, report.redis.revision, report.redis.error) == (True, revision, "")
    assert (report.number_database.present, report.number_database.revision) == (True, revision)
    assert report.number_database.age_seconds > 0
    assert (report.account.present, report.account.revision) == (True, account_revision)
    assert ONE in report.account.detail
    assert not report.port_requests.present
    assert report.follower.alive
    assert report.follower.checkpoint
    assert report.answer.route.account_id == ONE
    assert ONE in report.decision
    for layer in (report.redis, report.number_database):
        assert (layer.account_id, layer.state) == (ONE, "in_service")


def test_near_cache_page_shows_what_the_worker_holds(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    stores.mark_reference_data_complete()
    running = start_service()
    eventually(lambda: running.caller.route(NUMBER).source == pb.NEAR_CACHE)
    page = f"http://127.0.0.1:{running.service.admin.port}/near_cache/"
    views = []
    for number in ("%2B14158867900", "+14158867901"):
        with urllib.request.urlopen(page + number, timeout=10) as answer:
            views.append(json.loads(answer.read()))

    assert [view["account_id"] for view in views] == [ONE, None]
    assert [view["present"] for view in views] == [True, False]


def test_explain_tells_of_a_refusal_and_of_ports(stores: RealStores, start_service: StartService) -> None:
    stores.port("one", THREE, NUMBER)
    stores.port("two", TWO, NUMBER)
    report = start_service().caller.explain(NUMBER)
    assert not report.number_database.present
    assert "one" in report.port_requests.detail
    assert "two" in report.port_requests.detail
    assert "NUMBER_NOT_FOUND" in report.decision
    assert report.answer.refusal.reason == pb.NUMBER_NOT_FOUND


@pytest.mark.parametrize("number", ["reception", "", "\x00\x1b[2J", "8" * 10_000, "911"])
def test_explain_tells_why_something_is_no_number(stores: RealStores, start_service: StartService, number: str) -> None:
    report = start_service().caller.explain(number)
    assert report.answer.refusal.reason in {pb.NOT_RECONCILABLE, pb.NUMBER_NOT_FOUND}
    assert report.input.isprintable()
    assert len(report.input) <= 300
    assert report.decision


def test_explain_names_an_unknown_dial_plan(stores: RealStores, start_service: StartService) -> None:
    report = start_service().caller.explain(NUMBER, dial_plan="mars")
    assert "mars" in report.decision


def test_explain_says_which_layer_could_not_be_asked(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    stores.mark_reference_data_complete()
    running = start_service(couchdb_read_timeout=0.5)
    running.caller.route(NUMBER)
    eventually(lambda: stores.cached() == ONE)
    stores.couchdb.stop()
    report = running.caller.explain(NUMBER)
    assert report.redis.present
    assert report.number_database.error
    assert report.account.error
    assert report.answer.route.account_id == ONE


@pytest.fixture
def with_own_redis(stores: RealStores) -> Iterator[EmbeddedRedis]:
    """A Redis that the test may stop; the stores is on it."""
    with EmbeddedRedis() as server:
        stores.redis_url = server.url
        stores.redis = Redis.from_url(server.url)
        yield server
        stores.redis.close()


def test_explain_without_any_store(
    stores: RealStores, with_own_redis: EmbeddedRedis, start_service: StartService
) -> None:
    stores.create("port_requests", "system_config")
    stores.number()
    stores.account(ONE)
    running = start_service(with_follower=True, couchdb_read_timeout=0.5)
    running.wait_ready()
    eventually(lambda: running.caller.route(NUMBER).source == pb.NEAR_CACHE)
    with_own_redis.stop()
    stores.couchdb.stop()
    eventually(lambda: running.caller.route(NUMBER).stale)

    report = running.caller.explain(NUMBER)
    assert report.answer.route.account_id == ONE
    assert report.near_cache.present
    for layer in (
        report.redis,
        report.number_database,
        report.port_requests,
        report.account,
        report.follower,
    ):
        assert layer.error
    assert report.account.detail == f"{ONE}: this worker holds it as enabled"
    other = running.caller.explain("+14158867999")
    assert "account is not known" in other.account.error

    shown = run("explain", "--target", f"127.0.0.1:{running.service.transport.port}", NUMBER, COLUMNS="300").out
    assert shown.count("can't be asked") == 5
    assert "not following" not in shown
    assert "no account to look for" not in shown
    stores.couchdb.start()


def test_explain_of_a_value_that_cannot_be_read(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    stores.redis.set(stores.keys.number(NUMBER), b"\xff" * 20 + b"X" + bytes(4) + b"\0\0\x02\xff\xff")
    report = start_service().caller.explain(NUMBER)
    assert report.answer.route.account_id == ONE
    assert "can't be read" in report.redis.error
