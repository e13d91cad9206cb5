"""Asking a running service, and what its answers look like as JSON."""

from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from router.cli.channel import Metadata
from router.cli.json_output import nulls_of, of_message, text_or_null
from router.cli.options import Exit, as_text
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

_NOBODY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNKNOWN)
"""Without a reason of ours these say that no did-router was asked."""


@dataclass(frozen=True, slots=True)
class LookupResult:
    """One answer.

    Attributes:
        status: gRPC's name, "OK" for a route.
        reachable: false when no service answered at all.
    """

    input: str
    status: str
    reachable: bool
    route: pb.LookupResponse | None = None
    reason: str = ""
    message: str = ""
    metadata: dict[str, str] | None = None

    @property
    def turned_away(self) -> bool:
        """Whether the service wants another token, or one at all."""
        return self.status in {"UNAUTHENTICATED", "PERMISSION_DENIED"}

    @property
    def known(self) -> bool:
        """Whether the service could say: false when a database it needed was away."""
        return self.reachable and self.status not in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}

    @property
    def exit_code(self) -> Exit:
        """What the command exits with for this answer."""
        if self.route is not None:
            return Exit.OK
        return Exit.REFUSED if self.known else Exit.UNREACHABLE

    def as_json(self) -> dict[str, Any]:
        """The contract's fields; null where there is none."""
        told = self.metadata or {}
        said: dict[str, Any] = {
            "input": self.input,
            "number": text_or_null(told.get("number")),
            "account_id": text_or_null(told.get("account_id")),
            "status": self.status,
            "reason": text_or_null(self.reason),
            "state": text_or_null(told.get("state")),
            "source": None,
            "stale": None,
            "message": text_or_null(self.message),
        }
        return {**nulls_of(pb.LookupResponse), **said} if self.route is None else {**said, **of_message(self.route)}


def request_for(number: str, dial_plan: str, *, authoritative: bool = False) -> pb.LookupRequest:
    """The request for what stands on the command line."""
    consistency = pb.AUTHORITATIVE if authoritative else pb.CACHED
    return pb.LookupRequest(number=as_text(number), dial_plan=as_text(dial_plan), consistency=consistency)


def ask(stub: InboundRouterStub, request: pb.LookupRequest, seconds: float, metadata: Metadata = ()) -> LookupResult:
    """One lookup."""
    try:
        route = stub.Lookup(request, timeout=seconds, metadata=tuple(metadata))
        return LookupResult(request.number, "OK", reachable=True, route=route)
    except grpc.RpcError as problem:
        return refused(request.number, problem)


def refused(number: str, problem: Any) -> LookupResult:
    """What a failed call said."""
    code, details = problem.code(), problem.details() or ""
    status = rpc_status.from_call(problem)
    info = ErrorInfo()
    for detail in status.details if status is not None else ():
        detail.Unpack(info)
        if info.reason:
            break
    reachable = code not in _NOBODY or bool(info.reason)
    return LookupResult(number, code.name, reachable, None, info.reason, details, dict(info.metadata))
