"""A failed call's gRPC status, and google.rpc.ErrorInfo and RetryInfo in its details."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

DOMAIN = "did-router"
RETRY_AFTER = 1.0
"""Seconds after which a retry makes sense."""
DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call's gRPC status, message and trailing metadata.

    Attributes:
        trailing: name and value pairs; `grpc-status-details-bin` carries google.rpc.Status.
    """

    code: grpc.StatusCode
    message: str
    trailing: Sequence[tuple[str, bytes]] = field(default=())


BROKEN = Failure(grpc.StatusCode.INTERNAL, "answering failed; the service's log says why")
"""The failure of a call that ended with an unexpected exception."""


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
