"""Calls a running service, and shows its responses as JSON."""

from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from router.cli.channel import Metadata
from router.cli.json_output import text_or_null
from router.cli.options import Exit, as_text
from router.runtime.json_messages import json_of, nulls_of
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

_NO_SERVICE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNKNOWN)
"""Status codes that mean, without a reason of ours, that no did-router received the call."""


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The result of one lookup.

    Attributes:
        status: gRPC's name, "OK" for a route.
        reachable: a service answered.
    """

    input: str
    status: str
    reachable: bool
    route: pb.LookupResponse | None = None
    reason: str = ""
    message: str = ""
    metadata: dict[str, str] | None = None

    @property
    def is_unauthorized(self) -> bool:
        """Return whether the service requires another token, or one at all."""
        return self.status in {"UNAUTHENTICATED", "PERMISSION_DENIED"}

    @property
    def is_answered(self) -> bool:
        """Return whether the service could decide; False: a database that it needed was unavailable."""
        return self.reachable and self.status not in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}

    @property
    def exit_code(self) -> Exit:
        """The command's exit code for this result."""
        if self.route is not None:
            return Exit.OK
        return Exit.REFUSED if self.is_answered else Exit.UNREACHABLE

    def as_json(self) -> dict[str, Any]:
        """Return the contract's fields; null for those without a value."""
        details = self.metadata or {}
        fields: dict[str, Any] = {
            "input": self.input,
            "number": text_or_null(details.get("number")),
            "account_id": text_or_null(details.get("account_id")),
            "status": self.status,
            "reason": text_or_null(self.reason),
            "state": text_or_null(details.get("state")),
            "source": None,
            "stale": None,
            "message": text_or_null(self.message),
        }
        return {**nulls_of(pb.LookupResponse), **fields} if self.route is None else {**fields, **json_of(self.route)}


def request_for(number: str, dial_plan: str, *, authoritative: bool = False) -> pb.LookupRequest:
    """Return the request for arguments of the command line."""
    consistency = pb.AUTHORITATIVE if authoritative else pb.CACHED
    return pb.LookupRequest(number=as_text(number), dial_plan=as_text(dial_plan), consistency=consistency)


def send_lookup(
    stub: InboundRouterStub, request: pb.LookupRequest, seconds: float, metadata: Metadata = ()
) -> LookupResult:
    """Send one lookup; `seconds` is its deadline."""
    try:
        route = stub.Lookup(request, timeout=seconds, metadata=tuple(metadata))
        return LookupResult(request.number, "OK", reachable=True, route=route)
    except grpc.RpcError as problem:
        return failed_lookup(request.number, problem)


def failed_lookup(number: str, problem: Any) -> LookupResult:
    """Return the result of a failed call."""
    code, details = problem.code(), problem.details() or ""
    status = rpc_status.from_call(problem)
    info = ErrorInfo()
    for detail in status.details if status is not None else ():
        detail.Unpack(info)
        if info.reason:
            break
    reachable = code not in _NO_SERVICE or bool(info.reason)
    return LookupResult(number, code.name, reachable, None, info.reason, details, dict(info.metadata))
