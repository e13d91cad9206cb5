"""Ask did-router which account owns a number: one channel, a short deadline, an answer for every failure.

Needs grpcio, grpcio-status, googleapis-common-protos and the package router.v1, which proto/ generates.
"""

from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

DEADLINE = 0.2
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

SIP = {
    "NOT_RECONCILABLE": (404, "Not Found"),
    "NUMBER_NOT_FOUND": (404, "Not Found"),
    "UNASSIGNED": (404, "Not Found"),
    "NOT_IN_SERVICE": (480, "Temporarily Unavailable"),
    "ACCOUNT_DISABLED": (480, "Temporarily Unavailable"),
    "NUMBER_DATABASE_UNAVAILABLE": (503, "Service Unavailable"),
    "OVERLOADED": (503, "Service Unavailable"),
}
"""What to tell the carrier; anything else, such as no answer in time, is 503: it may try another of your proxies."""


@dataclass(frozen=True)
class Answer:
    """What became of a lookup.

    Attributes:
        route: where the number leads; None when it was refused or nobody answered.
        status: gRPC's name, such as OK, NOT_FOUND or DEADLINE_EXCEEDED.
        reason: did-router's own, such as NUMBER_NOT_FOUND; empty when it could not say.
        told: the refusal's number, account_id and state, as far as they are known.
    """

    route: pb.LookupResponse | None
    status: str = "OK"
    reason: str = ""
    message: str = ""
    told: dict[str, str] | None = None

    @property
    def sip(self) -> tuple[int, str]:
        """The final response of a call that can't be routed."""
        return SIP.get(self.reason, (503, "Service Unavailable"))


class DidRouter:
    """A client; threads may share it. Make it after forking: gRPC does not outlive a fork."""

    def __init__(self, target: str, deadline: float = DEADLINE) -> None:
        self._channel = grpc.insecure_channel(target, options=list(CONNECTION.items()))
        self._stub = InboundRouterStub(self._channel)
        self._deadline = deadline

    def lookup(self, number: str, dial_plan: str = "") -> Answer:
        """Which account owns it; never raises because of the service or the number."""
        request = pb.LookupRequest(number=number, dial_plan=dial_plan)
        try:
            return Answer(self._stub.Lookup(request, timeout=self._deadline))
        except grpc.RpcError as problem:
            return _refused(problem)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _refused(problem: Any) -> Answer:
    status, info = rpc_status.from_call(problem), ErrorInfo()
    for detail in status.details if status is not None else ():
        if detail.Unpack(info):
            break
    return Answer(None, problem.code().name, info.reason, problem.details() or "", dict(info.metadata))
