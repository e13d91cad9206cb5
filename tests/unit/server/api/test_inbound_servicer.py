"""A LookupBatch waits for those of its size, and a small one never behind large ones."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import grpc

from router.lookup.call import Call
from router.runtime.counters import LabelledCounters
from router.server.api.inbound_servicer import MAX_BATCH_SIZE, InboundServicer
from router.server.observation.lookups import LookupObserver, Recorder
from router.v1 import inbound_pb2 as pb

NUMBER = "+14158867900"
ANSWER = pb.LookupResponse(source=pb.REDIS).SerializeToString()
ROOM = 2 * MAX_BATCH_SIZE


class _Lookup:
    """Answers each number with an empty route; batches of more than one number when `go_on` is set."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def answer(self, calls: Sequence[Call]) -> None:
        if len(calls) > 1:
            assert self.go_on.wait(10)
        for call in calls:
            call.route(ANSWER)


def _servicer() -> tuple[InboundServicer, Any, LabelledCounters]:
    lookup: Any = _Lookup()
    counts = LabelledCounters()
    servicer = InboundServicer(
        lookup,
        lookup,
        max_waiting=ROOM,
        default_timeout=5,
        observer=LookupObserver("grpc", counts, Recorder(slow_call=9.0)),
    )
    return servicer, lookup, counts


class _Aborted(Exception):
    pass


class _Context:
    def time_remaining(self) -> float:
        return 5.0

    async def abort(self, code: grpc.StatusCode, *_: object) -> None:
        raise _Aborted(code)


def _begin(servicer: InboundServicer, count: int) -> "asyncio.Task[bytes]":
    lookups = [pb.LookupRequest(number=NUMBER) for _ in range(count)]
    context: Any = _Context()
    return asyncio.ensure_future(servicer.batch(pb.LookupBatchRequest(lookups=lookups), context))


def test_small_batch_is_answered_while_large_ones_fill_their_room() -> None:
    async def story() -> None:
        servicer, lookup, counts = _servicer()
        large = [_begin(servicer, MAX_BATCH_SIZE) for _ in range(10)]
        small = await asyncio.wait_for(_begin(servicer, 1), 5)
        lookup.go_on.set()
        ended = await asyncio.gather(*large, return_exceptions=True)

        assert len(pb.LookupBatchResponse.FromString(small).outcomes) == 1
        answered = [pb.LookupBatchResponse.FromString(each) for each in ended if isinstance(each, bytes)]
        assert [len(each.outcomes) for each in answered] == [MAX_BATCH_SIZE] * 2
        refused = [each.args[0] for each in ended if isinstance(each, _Aborted)]
        assert refused == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 8
        assert counts.all() == {
            ("grpc", "route", "", "redis"): 1 + 2 * MAX_BATCH_SIZE,
            ("grpc", "failed", "OVERLOADED", "none"): 8 * MAX_BATCH_SIZE,
        }

    asyncio.run(story())


def test_empty_batch_has_no_outcomes() -> None:
    async def story() -> None:
        servicer, _, _ = _servicer()

        assert await _begin(servicer, 0) == b""

    asyncio.run(story())
