"""Ask did-router which account owns a number: one channel, a short deadline, an answer for every failure.

Needs grpcio, grpcio-status, googleapis-common-protos and the package router.v1, which proto/ generates.
"""

import functools
import os
import threading
import time
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

TARGET = os.environ.get("DID_LOOKUP_TARGET", "127.0.0.1:50051")
DEADLINE = float(os.environ.get("DID_LOOKUP_DEADLINE", "0.2"))
"""Seconds: a caller hears silence meanwhile, and a switch waits for it with every call."""

CONNECTION = {
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 2_000,
    "grpc.http2.ping_timeout_ms": 2_000,  # a ping of another kind may be under way: then no keepalive is sent
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 1_000,
    "grpc.max_reconnect_backoff_ms": 1_000,
}
"""A connection that died without a word is noticed, and a service that is back is called again within a second or so;
by itself gRPC takes many minutes for the one, and up to two for the other."""

BREAKER_FAILURES = 3
"""Deadlines exceeded in a row that open the circuit breaker."""
BREAKER_RESET_TIMEOUT = 1.0
"""Seconds that it stays open before one trial call, so that a frozen router costs a worker one deadline a second."""

SIP = {
    "NOT_RECONCILABLE": (404, "Not Found"),
    "NUMBER_NOT_FOUND": (404, "Not Found"),
    "UNASSIGNED": (404, "Not Found"),
    "NOT_IN_SERVICE": (480, "Temporarily Unavailable"),
    "ACCOUNT_DISABLED": (480, "Temporarily Unavailable"),
    "NUMBER_DATABASE_UNAVAILABLE": (503, "Service Unavailable"),
    "OVERLOADED": (503, "Service Unavailable"),
}
"""The response for the carrier; anything else, such as no answer in time, is 503: it may try another proxy."""


@dataclass(frozen=True)
class Answer:
    """Result of a lookup.

    Attributes:
        route: where the number leads; None when it was refused or no answer came.
        status: gRPC's name, such as OK, NOT_FOUND or DEADLINE_EXCEEDED.
        reason: did-router's own, such as NUMBER_NOT_FOUND; empty when did-router sent none.
        details: the refusal's number, account_id and state, as far as they are known.
    """

    route: pb.LookupResponse | None
    status: str = "OK"
    reason: str = ""
    message: str = ""
    details: dict[str, str] | None = None

    @property
    def sip(self) -> tuple[int, str]:
        """The final response of a call that can't be routed."""
        return SIP.get(self.reason, (503, "Service Unavailable"))

    @property
    def retry_after(self) -> int | None:
        """Seconds for Retry-After, which stops every call of that carrier: for an overloaded router only."""
        return 1 if self.reason == "OVERLOADED" else None


class CircuitBreaker:
    """Refuses calls at once after several deadlines in a row; threads may share it.

    While it is open, one trial call every `BREAKER_RESET_TIMEOUT` seconds passes; any answer closes it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._trial_at = 0.0

    def allows_call(self) -> bool:
        """Return whether to ask now; a call that may ask must be recorded."""
        with self._lock:
            if self._failures < BREAKER_FAILURES:
                return True
            if time.monotonic() < self._trial_at:
                return False
            self._trial_at = time.monotonic() + BREAKER_RESET_TIMEOUT
            return True

    def record_answer(self) -> None:
        """Close: the router answers, be it with a refusal."""
        with self._lock:
            self._failures = 0

    def record_deadline(self) -> None:
        """Count a call without an answer in time."""
        with self._lock:
            self._failures += 1
            self._trial_at = time.monotonic() + BREAKER_RESET_TIMEOUT


class DidRouter:
    """A client; threads may share it. Make it after forking: gRPC does not outlive a fork.

    Args:
        target: host:port of did-router.
        deadline: seconds for one lookup.
    """

    def __init__(self, target: str = TARGET, deadline: float = DEADLINE) -> None:
        self._channel = grpc.insecure_channel(target, options=list(CONNECTION.items()))
        self._stub = InboundRouterStub(self._channel)
        self._deadline = deadline
        self._breaker = CircuitBreaker()

    def lookup(self, number: str, dial_plan: str = "") -> Answer:
        """Return which account owns a number; never raises because of the service or the number."""
        if not self._breaker.allows_call():
            return Answer(None, "UNAVAILABLE", message="not asked: the circuit breaker is open")
        request = pb.LookupRequest(number=number, dial_plan=dial_plan)
        try:
            response = self._stub.Lookup(request, timeout=self._deadline)
        except grpc.RpcError as error:
            answer = _refusal(error)
        else:
            answer = Answer(response)
        self._record(answer)
        return answer

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _record(self, answer: Answer) -> None:
        if answer.status == "DEADLINE_EXCEEDED":
            self._breaker.record_deadline()
        elif answer.status != "UNAVAILABLE" or answer.reason:  # else gRPC's own: no connection, which costs no time
            self._breaker.record_answer()


@functools.cache
def shared_router() -> DidRouter:
    """Return this process's one client.

    For scripts that their switch loads again for each call: this module is loaded once, so the client stays.
    """
    return DidRouter()


def _refusal(error: Any) -> Answer:
    status, info = rpc_status.from_call(error), ErrorInfo()
    for detail in status.details if status is not None else ():
        if detail.Unpack(info):
            break
    return Answer(None, error.code().name, info.reason, error.details() or "", dict(info.metadata))
