"""Results of calls: a value, or the failure as a value. Nothing here does I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_status import rpc_status

from router.v1 import inbound_pb2 as pb

T = TypeVar("T", bound=Message)

STATUSES: Mapping[str, str] = {
    "NOT_RECONCILABLE": "INVALID_ARGUMENT",
    "NUMBER_NOT_FOUND": "NOT_FOUND",
    "NOT_IN_SERVICE": "FAILED_PRECONDITION",
    "UNASSIGNED": "FAILED_PRECONDITION",
    "ACCOUNT_DISABLED": "FAILED_PRECONDITION",
    "NUMBER_DATABASE_UNAVAILABLE": "UNAVAILABLE",
    "OVERLOADED": "RESOURCE_EXHAUSTED",
}
"""gRPC's status of each refusal; a batch's outcome carries the reason alone."""

SIP: Mapping[str, tuple[int, str]] = {
    "NOT_RECONCILABLE": (404, "Not Found"),
    "NUMBER_NOT_FOUND": (404, "Not Found"),
    "UNASSIGNED": (404, "Not Found"),
    "NOT_IN_SERVICE": (480, "Temporarily Unavailable"),
    "ACCOUNT_DISABLED": (480, "Temporarily Unavailable"),
    "NUMBER_DATABASE_UNAVAILABLE": (503, "Service Unavailable"),
    "OVERLOADED": (503, "Service Unavailable"),
}
"""The response for the carrier; anything else, such as no answer in time, is 503: it may try another proxy."""

_NO_SERVICE = frozenset(("UNAVAILABLE", "UNIMPLEMENTED", "UNKNOWN"))
"""Statuses that mean, without a reason of did-router's, that no did-router received the call."""


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """The result of a call.

    Attributes:
        value: the response; None where there is none.
        status: gRPC's name, such as OK, NOT_FOUND or DEADLINE_EXCEEDED.
        reason: did-router's own, such as NUMBER_NOT_FOUND; empty where did-router gave none.
        message: for people; empty with a value.
        details: the refusal's number, account_id and state, as far as they are known.
        retry_delay: seconds after which the service suggests another attempt; None where it suggests none.
    """

    value: T | None = None
    status: str = "OK"
    reason: str = ""
    message: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    retry_delay: float | None = None

    @property
    def is_ok(self) -> bool:
        """Return whether there is a value."""
        return self.value is not None

    @property
    def is_reachable(self) -> bool:
        """Return whether a did-router received the call, as far as the status tells."""
        return bool(self.reason) or self.status not in _NO_SERVICE

    @property
    def is_unauthorized(self) -> bool:
        """Return whether the service requires another token, or one at all."""
        return self.status in {"UNAUTHENTICATED", "PERMISSION_DENIED"}

    @property
    def is_retryable(self) -> bool:
        """Return whether the connection failed: another instance may answer at once."""
        return self.status == "UNAVAILABLE" and not self.reason


@dataclass(frozen=True, slots=True)
class LookupResult(Result[pb.LookupResponse]):
    """The result of one lookup.

    Attributes:
        input: the number as it was asked for.
    """

    input: str = ""

    @property
    def route(self) -> pb.LookupResponse | None:
        """The number's route; None where it was refused, or no answer came."""
        return self.value

    @property
    def sip(self) -> tuple[int, str]:
        """The final response of a call that can't be routed."""
        return SIP.get(self.reason, (503, "Service Unavailable"))

    @property
    def retry_after(self) -> int | None:
        """Seconds for SIP's Retry-After, which stops every call of that carrier: for an overloaded service only."""
        return 1 if self.reason == "OVERLOADED" else None


def failed(error: grpc.RpcError) -> Result[Any]:
    """Return the result of a failed call."""
    call: Any = error
    status = rpc_status.from_call(call)
    info, retry = ErrorInfo(), RetryInfo()
    for detail in status.details if status is not None else ():
        detail.Unpack(info)
        detail.Unpack(retry)
    delay = retry.retry_delay
    return Result(
        status=call.code().name,
        reason=info.reason,
        message=call.details() or "",
        details=dict(info.metadata),
        retry_delay=delay.seconds + delay.nanos / 1e9 if retry.HasField("retry_delay") else None,
    )


def lookup_result(number: str, result: Result[Any]) -> LookupResult:
    """Return the result of a Lookup, or the failure of any call, as that of a lookup."""
    return LookupResult(
        result.value, result.status, result.reason, result.message, result.details, result.retry_delay, number
    )


def batch_results(numbers: list[str], result: Result[pb.LookupBatchResponse]) -> list[LookupResult]:
    """Return a result for each number of a batch, in their order; those of a failed call are all its failure."""
    if result.value is None:
        return [lookup_result(number, result) for number in numbers]
    return [outcome_result(number, each) for number, each in zip(numbers, result.value.outcomes, strict=True)]


def outcome_result(number: str, outcome: pb.LookupOutcome) -> LookupResult:
    """Return a lookup's outcome as its result."""
    if outcome.WhichOneof("outcome") == "route":
        return LookupResult(outcome.route, input=number)
    refusal = outcome.refusal
    reason = pb.Reason.Name(refusal.reason)
    named = {"number": refusal.number, "account_id": refusal.account_id, "state": refusal.state}
    return LookupResult(
        status=STATUSES.get(reason, "UNKNOWN"),
        reason=reason,
        message=refusal.message,
        details={name: text for name, text in named.items() if text},
        input=number,
    )
