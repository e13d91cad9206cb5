"""Judges callers over HTTP: the token that a request shows, and the deadline that it names."""

from collections.abc import Mapping

import grpc

from router.server.api.http.call_context import HttpContext
from router.server.api.http.requests import invalid
from router.server.api.http.results import HttpError
from router.server.api.http.timeouts import timeout_of
from router.server.auth.authorizer import Authorizer
from router.server.auth.tokens import LOOKUP, MANAGE
from router.server.observation.protocols import HTTP
from router.server.observation.trace_context import TRACEPARENT

Headers = Mapping[bytes, bytes]
"""A request's headers by lower-case name."""


class Callers:
    """Makes a call's context where its token opens what it asks for.

    Args:
        authorizer: None where a call needs no token.
        timeout: seconds for a lookup that names no deadline.
    """

    def __init__(self, authorizer: Authorizer | None, *, timeout: float) -> None:
        self._authorizer = authorizer
        self._timeout = timeout

    def lookup(self, headers: Headers) -> HttpContext:
        """Return the context of a lookup.

        Raises:
            HttpError: no token that opens lookups (401, 403), or a deadline that can't be read (400).
        """
        traceparent = headers.get(b"traceparent")
        return HttpContext(
            self._judged(headers, LOOKUP),
            _timeout(headers, self._timeout),
            None if traceparent is None else ((TRACEPARENT, traceparent.decode("latin-1")),),
        )

    def manage(self, headers: Headers) -> HttpContext:
        """Return the context of a call to the number manager; without a deadline where the caller names none.

        Raises:
            HttpError: as `lookup` does, for the scope `manage`.
        """
        return HttpContext(self._judged(headers, MANAGE), _timeout(headers, None))

    def _judged(self, headers: Headers, scope: str) -> str | None:
        shown = headers.get(b"authorization")
        if self._authorizer is not None and (refusal := self._authorizer.refuse(scope, shown, HTTP)) is not None:
            anonymous = refusal.code is grpc.StatusCode.UNAUTHENTICATED
            raise HttpError(refusal, headers={"www-authenticate": "Bearer"} if anonymous else {})
        return None if shown is None else shown.decode("latin-1")


def _timeout(headers: Headers, default: float | None) -> float | None:
    if b"grpc-timeout" not in headers and b"request-timeout" not in headers:
        return default
    try:
        return timeout_of({name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()})
    except ValueError as problem:
        raise invalid(str(problem)) from None
