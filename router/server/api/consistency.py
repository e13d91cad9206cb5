"""Reads a request's `consistency`; an unknown value is refused, since reading it as CACHED would hide a mistake."""

import grpc

from router.server.failure import Failure
from router.v1 import inbound_pb2 as pb

_KNOWN = ", ".join(f"{name} ({value})" for name, value in pb.Consistency.items())


class UnknownConsistencyError(Exception):
    """The request's consistency is unknown; `failure` is the status for the caller."""

    def __init__(self, value: int) -> None:
        self.failure = Failure(grpc.StatusCode.INVALID_ARGUMENT, f"consistency is {value}: use one of {_KNOWN}")
        super().__init__(self.failure.message)


def is_authoritative(request: pb.LookupRequest) -> bool:
    """Return whether a lookup bypasses every cache.

    Raises:
        UnknownConsistencyError: the contract has no such consistency.
    """
    consistency = request.consistency
    if consistency == pb.CACHED:
        return False
    if consistency == pb.AUTHORITATIVE:
        return True
    raise UnknownConsistencyError(consistency)
