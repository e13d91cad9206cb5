"""Both clients against a service that fails on demand: each test runs a client for threads and one for asyncio."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from router.client import AsyncClient, Client, Options, TokenError
from router.v1 import numbers_pb2 as nm
from tests.unit.client.fake_service import FakeService

Use = Callable[[Any], Any]
RunClient = Callable[..., Any]

LONG = 20.0
"""Seconds, for a busy machine."""


def _with_threads(target: str, use: Use, **options: Any) -> Any:
    with Client(target, **{"deadline": LONG, **options}) as client:
        return use(client)


def _with_asyncio(target: str, use: Use, **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncClient(target, **{"deadline": LONG, **options}) as client:
            return await use(client)

    return asyncio.run(run())


@pytest.fixture(params=[_with_threads, _with_asyncio], ids=["threads", "asyncio"])
def ask(request: pytest.FixtureRequest) -> RunClient:
    """Makes a client for a target, and returns what a function gets of it."""
    made: RunClient = request.param
    return made


def test_lookup_route_is_the_value(ask: RunClient, fake: FakeService) -> None:
    result = ask(fake.target, lambda client: client.lookup("4158867900"))

    assert (result.input, result.status, result.reason) == ("4158867900", "OK", "")
    assert result.route.account_id == "a"


def test_lookup_connection_failing_twice_is_answered(ask: RunClient, fake: FakeService) -> None:
    fake.failures = 2
    result = ask(fake.target, lambda client: client.lookup("1"))

    assert (result.status, fake.calls["Lookup"]) == ("OK", 3)


def test_lookup_attempts_are_bounded(ask: RunClient, fake: FakeService) -> None:
    fake.failures = 99
    result = ask(fake.target, lambda client: client.lookup("1"))

    assert (result.status, result.message, fake.calls["Lookup"]) == ("UNAVAILABLE", "going away", 3)
    assert not result.is_reachable


def test_lookup_refusal_of_the_service_is_not_repeated(ask: RunClient, fake: FakeService) -> None:
    fake.failures, fake.with_reason = 99, True
    result = ask(fake.target, lambda client: client.lookup("1"))

    assert (result.reason, result.details, result.retry_delay) == ("NUMBER_DATABASE_UNAVAILABLE", {"number": "+1"}, 1.5)
    assert (fake.calls["Lookup"], result.is_reachable, result.sip[0]) == (1, True, 503)


def test_numbers_change_is_never_repeated(ask: RunClient, fake: FakeService) -> None:
    fake.failures = 1
    result = ask(fake.target, lambda client: client.numbers.create(nm.CreateNumbersRequest(numbers=["1"])))

    assert (result.status, fake.calls["Create"]) == ("UNAVAILABLE", 1)


def test_numbers_read_is_repeated(ask: RunClient, fake: FakeService) -> None:
    fake.failures = 1
    result = ask(fake.target, lambda client: client.numbers.get(nm.GetNumbersRequest(numbers=["1"])))

    assert (result.status, fake.calls["Get"]) == ("OK", 2)


def test_batch_of_many_numbers_goes_in_several_calls(ask: RunClient, fake: FakeService) -> None:
    numbers = [str(number) for number in range(2001)]
    results = ask(fake.target, lambda client: client.lookup_batch(numbers))

    assert fake.calls["LookupBatch"] == 3
    assert [each.input for each in results] == numbers
    assert (results[0].status, results[0].reason) == ("FAILED_PRECONDITION", "NOT_IN_SERVICE")
    assert results[0].details == {"number": "0", "state": "aging"}
    assert results[1].route.number == "1"


def test_batch_failure_is_the_result_of_each_number(ask: RunClient, fake: FakeService) -> None:
    fake.failures = 99
    results = ask(fake.target, lambda client: client.lookup_batch(["1", "2"]))

    assert [(each.input, each.status) for each in results] == [("1", "UNAVAILABLE"), ("2", "UNAVAILABLE")]


def test_token_function_is_asked_for_each_call(fake: FakeService) -> None:
    tokens = iter(["checked", "one", "two"])
    with Client(fake.target, deadline=LONG, token=lambda: next(tokens)) as client:
        client.lookup("1")
        client.lookup("1")

    assert fake.tokens == ["Bearer one", "Bearer two"]


def test_with_token_shares_the_channel_and_leaves_the_first(ask: RunClient, fake: FakeService) -> None:
    if ask is _with_asyncio:

        async def use(client: AsyncClient) -> None:
            await client.with_token("visitor").lookup("1")
            await client.with_token("visitor").numbers.get(nm.GetNumbersRequest())
            await client.lookup("1")

        ask(fake.target, use, token="own")
    else:
        with Client(fake.target, deadline=LONG, token="own") as client:
            client.with_token("visitor").lookup("1")
            client.with_token("visitor").numbers.get(nm.GetNumbersRequest())
            client.lookup("1")

    assert fake.tokens == ["Bearer visitor", "Bearer visitor", "Bearer own"]


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ümlaut"])
def test_token_that_no_header_carries_is_refused(token: str) -> None:
    with pytest.raises(TokenError, match="did-router token new"):
        Client("127.0.0.1:1", token=token)


def test_breaker_open_refuses_without_a_call(ask: RunClient, fake: FakeService) -> None:
    options = Options(circuit_breaker_failures=1, circuit_breaker_reset_timeout=3600)
    if ask is _with_asyncio:

        async def use(client: AsyncClient) -> Any:
            await client.lookup("1", deadline=-1)
            return await client.lookup("1")

        result = ask(fake.target, use, options=options)
    else:
        with Client(fake.target, deadline=LONG, options=options) as client:
            client.lookup("1", deadline=-1)
            result = client.lookup("1")

    assert (result.status, result.message) == ("UNAVAILABLE", "not asked: the circuit breaker is open")
    assert fake.calls["Lookup"] == 0
