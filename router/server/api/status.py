"""Maps refusals to gRPC statuses with google.rpc.ErrorInfo: one machine-readable reason each."""

import grpc

from router.numbers.routes import Reason, Refused
from router.server.failure import Failure, failure

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


OVERLOADED = failure(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.OVERLOADED.value,
    "more is asked than can be answered in time: ask another instance, or again in a moment",
    retryable=True,
)
"""Prepared once for all calls: under overload most calls get it."""
EXPIRED = Failure(grpc.StatusCode.DEADLINE_EXCEEDED, "the caller's deadline is over")
