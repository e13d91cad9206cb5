"""Callers under load: several connections, several calls at a time on each; what went wrong is kept."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

import grpc

from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

_AT_A_TIME = 8
_CALL_INTERVAL = 0.02
"""Seconds between bursts: the callers share two cores with what they ask."""
TIMEOUT = 5.0

Ready = Callable[[], Sequence[int]]
"""The indexes of the channels that may be used."""


class Callers:
    """Asks for one number all the time.

    Args:
        channels: open a connection to each instance.
        count: callers, each with a connection of its own to every instance.
        ready: which instances may be asked; all where it is left out.

    Attributes:
        answered: right answers.
        lost: how calls failed otherwise, and how often.
        worst: seconds of the slowest burst.
    """

    def __init__(
        self, channels: Sequence[Callable[[], grpc.Channel]], count: int = 3, ready: Ready | None = None
    ) -> None:
        self.answered = 0
        self.lost: Counter[str] = Counter()
        self.worst = 0.0
        self._channels = channels
        self._ready = ready or (lambda: range(len(channels)))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(count)]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        self.wait_for(100)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(30)

    def wait_for(self, more: int, seconds: float = 30) -> None:
        """Until so many more calls were answered."""
        wanted, end = self.answered + more, time.monotonic() + seconds
        while self.answered < wanted:
            assert time.monotonic() < end, f"{self.answered} answered, {self.lost}"
            time.sleep(0.02)

    def _ask_on(self) -> None:
        channels = [each() for each in self._channels]
        stubs = [InboundRouterStub(each) for each in channels]
        while not self._stop.is_set():
            ready = self._ready()
            if ready:
                self._burst(stubs[random.choice(ready)])
            self._stop.wait(_CALL_INTERVAL)
        for channel in channels:
            channel.close()

    def _burst(self, stub: InboundRouterStub) -> None:
        began = time.monotonic()
        request = pb.LookupRequest(number="4158867900")
        calls: list[Any] = [stub.Lookup.future(request, timeout=TIMEOUT) for _ in range(_AT_A_TIME)]
        problems = [each.exception() for each in calls]
        took = time.monotonic() - began
        with self._lock:
            self.answered += problems.count(None)
            self.worst = max(self.worst, took)
            for problem in problems:
                if isinstance(problem, grpc.RpcError):
                    error: Any = problem
                    self.lost[f"{error.code().name}: {error.details()}"] += 1
