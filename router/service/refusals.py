"""Refusals as gRPC statuses with google.rpc.ErrorInfo: one reason each, machine-readable."""

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from router.numbers.routes import Reason, Refused
from router.service.front import Failure

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
}


def failure_of(refusal: Refused) -> Failure:
    """The status a unary caller gets."""
    code = CODES[refusal.reason]
    status = Status(code=code.value[0], message=refusal.message)
    told = {"number": refusal.number, "account_id": refusal.account_id, "state": refusal.state}
    info = ErrorInfo(
        reason=refusal.reason.value,
        domain=DOMAIN,
        metadata={name: value for name, value in told.items() if value},
    )
    status.details.append(_packed(info))
    if code is grpc.StatusCode.UNAVAILABLE:
        status.details.append(_packed(RetryInfo(retry_delay=_seconds(RETRY_AFTER))))
    return Failure(code, refusal.message, ((DETAILS, status.SerializeToString()),))


def _packed(detail: ErrorInfo | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


def _seconds(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
