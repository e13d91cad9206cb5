"""Reads a request's `consistency`, and refuses values that are none: taken for CACHED they would hide a mistake."""

import grpc

from router.server.calls.call_source import Failure
from router.v1 import inbound_pb2 as pb

_KNOWN = ", ".join(f"{name} ({value})" for name, value in pb.Consistency.items())


class UnknownConsistencyError(Exception):
    """A request names no consistency that there is; `failure` is the status for the caller."""

    def __init__(self, value: int) -> None:
        self.failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, f"consistency is {value}: use one of {_KNOWN}")
        super().__init__(self.failure.message)


def is_authoritative(request: pb.LookupRequest) -> bool:
    """Whether a lookup goes past every cache.

    Raises:
        UnknownConsistencyError: its consistency is none of the contract's.
    """
    consistency = request.consistency
    if consistency == pb.CACHED:
        return False
    if consistency == pb.AUTHORITATIVE:
        return True
    raise UnknownConsistencyError(consistency)
