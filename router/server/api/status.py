"""Refusals as gRPC statuses with google.rpc.ErrorInfo: one reason each, machine-readable."""

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
"""Seconds after which asking again makes sense when the database did not answer."""
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
_AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}


def failure_of(refusal: Refused) -> Failure:
    """The status a unary caller gets."""
    if refusal.reason is Reason.OVERLOADED:
        return OVERLOADED
    code = CODES[refusal.reason]
    told = {"number": refusal.number, "account_id": refusal.account_id, "state": refusal.state}
    metadata = {name: value for name, value in told.items() if value}
    return failure(code, refusal.reason.value, refusal.message, metadata, again=code in _AGAIN)


def failure(
    code: grpc.StatusCode, reason: str, message: str, metadata: Mapping[str, str] | None = None, *, again: bool
) -> Failure:
    """A status with its reason, and when to try again where that makes sense."""
    status = Status(code=code.value[0], message=message)
    status.details.append(_packed(ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata or {})))
    if again:
        status.details.append(_packed(RetryInfo(retry_delay=_seconds(RETRY_AFTER))))
    return Failure(code, message, ((DETAILS, status.SerializeToString()),))


def _packed(detail: ErrorInfo | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


def _seconds(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


OVERLOADED = failure(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.OVERLOADED.value,
    "more is asked than can be answered in time: ask another instance, or again in a moment",
    again=True,
)
"""Prepared once, and the same for every call: under overload it is what most callers are told."""
