"""Maps refusals to gRPC statuses with google.rpc.ErrorInfo: one machine-readable reason each."""

from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from router.numbers.routes import Reason, Refused
from router.server.calls.call_source import Failure

DOMAIN = "did-router"
RETRY_AFTER = 1.0
"""Seconds after which a retry makes sense."""
DETAILS = "grpc-status-details-bin"

CODES = {
    Reason.NOT_RECONCILABLE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.NUMBER_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.NOT_IN_SERVICE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.UNASSIGNED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.ACCOUNT_DISABLED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.NUMBER_DATABASE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_RETRYABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


def failure_of(refusal: Refused) -> Failure:
    """Return the status of a refused unary call."""
    if refusal.reason is Reason.OVERLOADED:
        return OVERLOADED
    code = CODES[refusal.reason]
    details = {"number": refusal.number, "account_id": refusal.account_id, "state": refusal.state}
    metadata = {name: value for name, value in details.items() if value}
    return failure(code, refusal.reason.value, refusal.message, metadata, retryable=code in _RETRYABLE)


def failure(
    code: grpc.StatusCode, reason: str, message: str, metadata: Mapping[str, str] | None = None, *, retryable: bool
) -> Failure:
    """Return a status with its reason, and a RetryInfo where a retry makes sense."""
    status = Status(code=code.value[0], message=message)
    status.details.append(_pack(ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata or {})))
    if retryable:
        status.details.append(_pack(RetryInfo(retry_delay=_duration(RETRY_AFTER))))
    return Failure(code, message, ((DETAILS, status.SerializeToString()),))


def _pack(detail: ErrorInfo | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


OVERLOADED = failure(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.OVERLOADED.value,
    "more is asked than can be answered in time: ask another instance, or again in a moment",
    retryable=True,
)
"""Prepared once for all calls: under overload most calls get it."""
