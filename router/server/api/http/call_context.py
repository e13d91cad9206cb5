"""A gRPC servicer's context for a call over HTTP: the servicers answer both, with the same checks and errors."""

import time
from collections.abc import Sequence
from typing import NoReturn

import grpc

from router.server.api.http.results import HttpError
from router.server.auth.authorizer import AUTHORIZATION
from router.server.failure import Failure
from router.server.observation.trace_context import Metadata


class HttpContext:
    """The part of `grpc.aio.ServicerContext` that the servicers use.

    Args:
        authorization: the request's header; None where it has none.
        timeout: seconds for the call; None for no deadline of the caller's.
        trace: the request's `traceparent` as metadata; None where it has none.
    """

    def __init__(self, authorization: str | None, timeout: float | None, trace: Metadata | None = None) -> None:
        self._authorization = authorization
        self.trace = trace
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def time_remaining(self) -> float | None:
        """Return the seconds that are left."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    def invocation_metadata(self) -> Metadata:
        """Return the headers that name the caller and its trace."""
        named = () if self._authorization is None else ((AUTHORIZATION, self._authorization),)
        return (*named, *(self.trace or ()))

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Sequence[tuple[str, bytes]] = ()
    ) -> NoReturn:
        """End the call.

        Raises:
            HttpError: always.
        """
        raise HttpError(Failure(code, details, tuple(trailing_metadata)))
