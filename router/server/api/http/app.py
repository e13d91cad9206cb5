"""The HTTP API as an ASGI application: lookups on a path of their own, everything else routed by Starlette."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from router.server.api.http import formats
from router.server.api.http.call_context import HttpContext
from router.server.api.http.callers import Callers
from router.server.api.http.lookup_request import lookup_request
from router.server.api.http.requests import CallerDisconnectedError, Receive, query_of
from router.server.api.http.results import HttpError, error_body, retry_after
from router.server.failure import Failure

log = logging.getLogger(__name__)

Send = Callable[[Any], Awaitable[None]]
LookupHandler = Callable[[bytes, HttpContext], Awaitable[bytes]]
"""Takes a serialised LookupRequest, returns a serialised LookupResponse; raises HttpError."""

LOOKUP_PATH = "/v1/lookup/"
_READING = ("GET", "HEAD")
_NO_STORE = (b"cache-control", b"no-store")
_CLOSE = (b"connection", b"close")
_BROKEN = Failure(grpc.StatusCode.INTERNAL, "answering failed; the service's log says why")


class HttpApp:
    """Answers HTTP requests.

    Args:
        lookup: answers a lookup.
        routes: everything but `GET /v1/lookup/{number}`.
        callers: judges who asks.
    """

    def __init__(self, lookup: LookupHandler, routes: list[BaseRoute], callers: Callers) -> None:
        self._lookup = lookup
        self._callers = callers
        self.draining = False
        """Each response asks the caller to reconnect, if possible elsewhere."""
        handlers: Any = {HTTPException: _http_exception, HttpError: _http_error}
        self._others = Starlette(routes=routes, exception_handlers=handlers)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            return
        try:
            if scope["path"].startswith(LOOKUP_PATH) and scope["method"] in _READING:
                await self._answer_lookup(scope, send)
            else:
                await self._others(scope, receive, self._closing(send) if self.draining else send)
        except CallerDisconnectedError:
            return
        except Exception:
            log.exception("answering %s %s failed", scope["method"], scope["path"])
            raise

    async def _answer_lookup(self, scope: Any, send: Send) -> None:
        """Answer `GET /v1/lookup/{number}`, past the router: nearly every request is one of these."""
        wanted = formats.JSON
        try:
            query = query_of(scope["query_string"]) if scope["query_string"] else {}
            wanted = formats.format_of(query)
            context = self._callers.lookup(dict(scope["headers"]))
            request = lookup_request(scope["path"][len(LOOKUP_PATH) :], query)
            body = formats.route_body(await self._lookup(request.SerializeToString(), context), wanted)
            status, extra = 200, []
        except HttpError as problem:
            error = error_body(problem.failure, problem.status)
            body, status, extra = formats.error_bytes(error, wanted), problem.status, _error_headers(problem)
        headers = [
            (b"content-type", formats.CONTENT_TYPES[wanted]),
            (b"content-length", b"%d" % len(body)),
            _NO_STORE,
            *extra,
        ]
        if self.draining:
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _closing(self, send: Send) -> Send:
        async def closing(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
            await send(message)

        return closing


def json_response(value: Any) -> Response:
    """Return 200 with a JSON body."""
    return Response(formats.to_json(value), media_type="application/json", headers={"cache-control": "no-store"})


def _error_headers(problem: HttpError) -> list[tuple[bytes, bytes]]:
    found = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    if (seconds := retry_after(problem.failure)) is not None:
        found.append((b"retry-after", b"%d" % seconds))
    return found


async def _http_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HttpError)  # noqa: S101 - Starlette calls this for no other
    try:
        wanted = formats.format_of(query_of(request.scope["query_string"]))
    except HttpError:
        wanted = formats.JSON
    body = formats.error_bytes(error_body(problem.failure, problem.status), wanted)
    response = Response(body, problem.status, {"cache-control": "no-store"})
    response.headers["content-type"] = formats.CONTENT_TYPES[wanted].decode()
    for name, value in _error_headers(problem):
        response.headers[name.decode()] = value.decode()
    return response


async def _http_exception(request: Request, problem: Exception) -> Response:
    """Answer what Starlette refuses: a path or a method that does not exist."""
    assert isinstance(problem, HTTPException)  # noqa: S101 - Starlette calls this for no other
    path, method = request.url.path, request.method
    if problem.status_code == 405:  # noqa: PLR2004 - Method Not Allowed
        failure = Failure(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not for {path}: see /v1/openapi.json")
    else:
        failure = Failure(grpc.StatusCode.NOT_FOUND, f"there is no {path}: /v1/openapi.json says what there is")
    error = HttpError(failure, status=problem.status_code, headers=dict(problem.headers or {}))
    return await _http_error(request, error)
