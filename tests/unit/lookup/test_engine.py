"""The lookup engine asks one answer source after the other, each with what may be trusted at that moment."""

import pytest

from router.entries import codec
from router.numbers.kazoo_databases import ACCOUNTS, PORT_REQUESTS
from router.numbers.routes import Reason, Refused
from router.v1 import inbound_pb2 as pb
from tests.unit.lookup.chain import ACCOUNT, Chain, RecordedCall, route_entry

DATABASE, NUMBER, OTHER = "numbers/+1415", "+14158867900", "+14158867901"


@pytest.fixture
def chain() -> Chain:
    return Chain()


def _reason(call: RecordedCall) -> Reason:
    (result,) = call.results
    assert isinstance(result, Refused)
    return result.reason


def test_entry_in_redis_is_answered_and_kept_near(chain: Chain) -> None:
    chain.redis.values[NUMBER] = route_entry(NUMBER).pack()
    first, second = chain.route(NUMBER), chain.route(NUMBER)
    assert (first.source, second.source) == (pb.REDIS, pb.NEAR_CACHE)
    assert first.account_id == second.account_id == ACCOUNT
    assert (first.stale, second.stale) == (False, False)
    assert chain.redis.requests == 1
    assert chain.lookup.counts.all() == {"redis": 1, "near_cache": 1}


def test_number_in_no_cache_reaches_the_origin(chain: Chain) -> None:
    assert chain.ask(NUMBER).results == []
    assert chain.origin.numbers == [NUMBER]


def test_authoritative_call_passes_every_cache(chain: Chain) -> None:
    chain.redis.values[NUMBER] = route_entry(NUMBER).pack()
    chain.route(NUMBER)
    chain.list_nothing(DATABASE, "+1415")
    assert chain.ask(NUMBER, authoritative=True).results == []
    assert chain.origin.numbers == [NUMBER]
    assert chain.redis.requests == 1


def test_answers_are_stale_while_no_follower_proves_them_current(chain: Chain) -> None:
    chain.redis.values[NUMBER] = route_entry(NUMBER).pack()
    chain.trust.set_entries_current(current=False)
    assert [chain.route(NUMBER).stale for _ in range(2)] == [True, True]
    chain.trust.set_entries_current(current=True)
    answer = chain.route(NUMBER)
    assert (answer.source, answer.stale) == (pb.NEAR_CACHE, False)


def test_near_cache_without_its_connection_is_not_used(chain: Chain) -> None:
    chain.redis.values[NUMBER] = route_entry(NUMBER).pack()
    chain.route(NUMBER)
    chain.trust.set_receives_invalidations(receives=False)
    assert [chain.route(NUMBER).source for _ in range(2)] == [pb.REDIS, pb.REDIS]


def test_near_cache_answers_stale_where_redis_turns_out_to_be_away(chain: Chain) -> None:
    chain.redis.values[NUMBER] = route_entry(NUMBER).pack()
    chain.route(NUMBER)
    chain.trust.set_receives_invalidations(receives=False)
    chain.redis.fails = True
    answers = [chain.route(NUMBER) for _ in range(3)]
    assert [(answer.source, answer.stale) for answer in answers] == [(pb.NEAR_CACHE, True)] * 3
    assert chain.redis.requests == 2, "after its failure only readiness asks Redis"
    assert chain.ask(OTHER).results == []
    assert chain.origin.numbers == [OTHER]


def test_redis_that_responds_again_is_asked_again(chain: Chain) -> None:
    chain.redis.fails = True
    chain.ask(NUMBER)
    chain.redis.fails = False
    chain.redis.values[NUMBER] = route_entry(NUMBER).pack()
    chain.trust.redis_responded()
    assert chain.route(NUMBER).source == pb.REDIS


def test_negative_range_answers_what_redis_does_not_hold(chain: Chain) -> None:
    chain.list_nothing(DATABASE, "+1415")
    chain.redis.values[OTHER] = route_entry(OTHER).pack()
    assert _reason(chain.ask(NUMBER)) is Reason.NUMBER_NOT_FOUND
    assert chain.route(OTHER).source == pb.REDIS
    assert chain.origin.numbers == []


@pytest.mark.parametrize("problem", ["stale", "disconnected", "Redis away"])
def test_negative_range_is_used_while_fresh_only(chain: Chain, problem: str) -> None:
    chain.list_nothing(DATABASE, "+1415")
    if problem == "stale":
        chain.trust.set_entries_current(current=False)
    elif problem == "disconnected":
        chain.trust.set_receives_invalidations(receives=False)
    else:
        chain.redis.fails = True
    assert chain.ask(NUMBER).results == []
    assert chain.origin.numbers == [NUMBER]


def test_corrupt_entry_goes_to_the_origin_past_the_negative_ranges(chain: Chain) -> None:
    chain.list_nothing(DATABASE, "+1415")
    chain.redis.values[NUMBER] = route_entry(NUMBER).pack()[:-1]
    assert chain.ask(NUMBER).results == []
    assert (chain.origin.numbers, chain.origin.corrupt) == ([NUMBER], [NUMBER])


def test_account_that_memory_does_not_hold_is_read_from_the_origin(chain: Chain) -> None:
    chain.list_nothing(DATABASE, "+1415")
    chain.trust.set_complete({PORT_REQUESTS})
    chain.redis.values[NUMBER] = route_entry(NUMBER, "2" * 32).pack()
    assert chain.ask(NUMBER).results == []
    assert chain.origin.numbers == [NUMBER]


def test_port_requests_that_memory_does_not_hold_are_read_from_the_origin(chain: Chain) -> None:
    chain.list_nothing(DATABASE, "+1415")
    chain.trust.set_complete({ACCOUNTS})
    chain.redis.values[OTHER] = codec.negative_entry(0).pack()
    assert chain.ask(NUMBER).results == chain.ask(OTHER).results == []
    assert chain.origin.numbers == [NUMBER, OTHER]


def test_disabled_account_is_refused_from_near_cache_and_redis(chain: Chain) -> None:
    chain.redis.values[NUMBER] = route_entry(NUMBER).pack()
    chain.route(NUMBER)
    chain.reference_data.enabled.discard(ACCOUNT)
    chain.reference_data.disabled.add(ACCOUNT)
    assert _reason(chain.ask(NUMBER)) is Reason.ACCOUNT_DISABLED
    assert _reason(chain.ask(NUMBER)) is Reason.ACCOUNT_DISABLED


def test_one_batch_is_answered_by_several_sources(chain: Chain) -> None:
    numbers = [f"+141588679{index:02}" for index in range(4)]
    chain.redis.values[numbers[0]] = route_entry(numbers[0]).pack()
    chain.route(numbers[0])
    chain.redis.values[numbers[1]] = route_entry(numbers[1]).pack()
    chain.redis.values[numbers[2]] = codec.negative_entry(0).pack()
    calls = [RecordedCall(number) for number in numbers]
    chain.lookup.answer(calls)
    assert [len(call.results) for call in calls] == [1, 1, 1, 0]
    assert chain.origin.numbers == numbers[3:]


def test_refusal_names_the_store_that_decided_it(chain: Chain) -> None:
    chain.redis.values[OTHER] = codec.negative_entry(0).pack()
    asked = [chain.ask(OTHER), chain.ask(OTHER)]
    chain.list_nothing(DATABASE, "+1415")
    asked += [chain.ask(NUMBER), chain.ask("nonsense")]
    assert [call.source for call in asked] == ["redis", "near_cache", "near_cache", "none"]
