"""LookupStream by both clients: each test runs a client for threads and one for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest

from router.client import AsyncClient, Client, LookupResult
from tests.unit.client.fake_service import FakeService

Stream = Callable[..., list[LookupResult]]

LONG = 20.0
"""Seconds, for a busy machine."""


def _with_threads(target: str, numbers: Iterable[str], **options: Any) -> list[LookupResult]:
    with Client(target, **options) as client:
        return list(client.lookup_stream(numbers, deadline=LONG))


def _with_asyncio(target: str, numbers: Iterable[str] | AsyncIterator[str], **options: Any) -> list[LookupResult]:
    async def run() -> list[LookupResult]:
        async with AsyncClient(target, **options) as client:
            return [each async for each in client.lookup_stream(numbers, deadline=LONG)]

    return asyncio.run(run())


@pytest.fixture(params=[_with_threads, _with_asyncio], ids=["threads", "asyncio"])
def stream(request: pytest.FixtureRequest) -> Stream:
    """Makes a client for a target, and returns the results of a stream."""
    made: Stream = request.param
    return made


def test_stream_each_number_has_its_result(stream: Stream, fake: FakeService) -> None:
    results = stream(fake.target, ["1", "2", "1", "aging", "3"], token="visitor")

    assert sorted((each.input, each.status) for each in results) == [
        ("1", "OK"),
        ("1", "OK"),
        ("2", "OK"),
        ("3", "OK"),
        ("aging", "FAILED_PRECONDITION"),
    ]
    assert all(each.route.number == each.input for each in results if each.route)
    assert (fake.calls["LookupStream"], fake.tokens) == (1, ["Bearer visitor"])


def test_stream_outcomes_in_another_order_keep_their_input(stream: Stream, fake: FakeService) -> None:
    assert [each.input for each in stream(fake.target, ["1", "2", "3"])] == ["3", "2", "1"]


def test_stream_without_numbers_has_no_results(stream: Stream, fake: FakeService) -> None:
    assert stream(fake.target, []) == []


def test_stream_failing_gives_open_lookups_its_failure(stream: Stream, fake: FakeService) -> None:
    results = stream(fake.target, ["1", "2", "3", "4", "break"])

    assert [(each.input, each.status) for each in results] == [
        ("3", "OK"),
        ("2", "OK"),
        ("1", "OK"),
        ("4", "UNAVAILABLE"),
        ("break", "UNAVAILABLE"),
    ]
    assert results[-1].message == "going away"


def test_stream_refused_without_open_lookups_ends_with_failure(stream: Stream, fake: FakeService) -> None:
    fake.failures = 1
    results = stream(fake.target, [])

    assert [(each.input, each.status) for each in results] == [("", "UNAVAILABLE")]


def test_stream_error_of_the_numbers_reaches_the_caller(stream: Stream, fake: FakeService) -> None:
    def numbers() -> Iterator[str]:
        yield "1"
        raise ValueError("the file ends here")

    with pytest.raises(ValueError, match="the file ends here"):
        stream(fake.target, numbers())


def test_stream_numbers_of_an_async_iterator_are_asked(fake: FakeService) -> None:
    async def numbers() -> AsyncIterator[str]:
        for each in "1", "2":
            await asyncio.sleep(0)
            yield each

    assert {each.input for each in _with_asyncio(fake.target, numbers())} == {"1", "2"}


def test_stream_left_early_is_cancelled(fake: FakeService) -> None:
    def numbers() -> Iterator[str]:
        while True:
            yield "1"

    with Client(fake.target) as client:
        results = client.lookup_stream(numbers(), deadline=LONG)
        assert next(results).status == "OK"
        results.close()  # type: ignore[attr-defined] # a generator
        assert client.lookup("1", deadline=LONG).status == "OK"
