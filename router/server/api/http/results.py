"""The result of a call over HTTP, independent of the format that the caller asks for."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from router.server.api.sip_status import SipStatus, sip_status
from router.server.failure import DETAILS, DOMAIN, Failure

_TYPE = "type.googleapis.com/google.rpc."
CLIENT_CLOSED_REQUEST = 499
"""nginx's code for a caller that hung up, which google.rpc.Code names for CANCELLED."""

HTTP_STATUS: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.OK: HTTPStatus.OK,
    grpc.StatusCode.CANCELLED: CLIENT_CLOSED_REQUEST,
    grpc.StatusCode.UNKNOWN: HTTPStatus.INTERNAL_SERVER_ERROR,
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    grpc.StatusCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The canonical mapping of google/rpc/code.proto, which Envoy's transcoder uses too."""


class HttpError(Exception):
    """A call over HTTP that fails.

    Attributes:
        status: HTTP's status code; None for the one that belongs to the failure.
        headers: to be sent with it.
    """

    def __init__(self, failure: Failure, *, status: int | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.status = HTTP_STATUS[failure.code] if status is None else status
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """A failure in the words of its details.

    Attributes:
        reason: ErrorInfo's; empty where the failure has none.
        metadata: ErrorInfo's: number, account_id, state.
        details: the details as JSON (AIP-193); scripts find an ErrorInfo in each, which repeats the status where the
            failure has none.
    """

    code: int
    status: str
    message: str
    reason: str
    metadata: dict[str, str]
    details: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sip(self) -> SipStatus:
        """The response that a switch gives for it."""
        return sip_status(self.reason)

    def as_json(self) -> dict[str, Any]:
        """Return the body: `error` as AIP-193 has it, and `sip`, the response that a switch gives."""
        sip = self.sip
        return {
            "error": {"code": self.code, "status": self.status, "message": self.message, "details": self.details},
            "sip": {"code": sip.code, "reason": sip.reason},
        }


def error_body(failure: Failure, status: int) -> ErrorBody:
    """Read a failure's details."""
    reason, metadata, details = "", dict[str, str](), list[dict[str, Any]]()
    for packed in _details(failure):
        info, retry = ErrorInfo(), RetryInfo()
        if packed.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
            details.append(_error_info(reason, info.domain, metadata))
        elif packed.Unpack(retry):
            delay = f"{retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9:g}s"
            details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": delay})
    if not reason:
        details.append(_error_info(failure.code.name, DOMAIN, {}))
    return ErrorBody(status, failure.code.name, failure.message, reason, metadata, details)


def _error_info(reason: str, domain: str, metadata: dict[str, str]) -> dict[str, Any]:
    return {"@type": f"{_TYPE}ErrorInfo", "reason": reason, "domain": domain, "metadata": metadata}


def retry_after(failure: Failure) -> int | None:
    """Return the seconds of RetryInfo, rounded up to whole ones; None where the failure has none."""
    for packed in _details(failure):
        retry = RetryInfo()
        if packed.Unpack(retry):
            return max(1, int(retry.retry_delay.seconds) + bool(retry.retry_delay.nanos))
    return None


def _details(failure: Failure) -> Any:
    for name, value in failure.trailing:
        if name == DETAILS:
            return Status.FromString(value).details
    return ()
