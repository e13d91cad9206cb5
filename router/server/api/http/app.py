"""The HTTP API as an ASGI application: lookups on a path of their own, everything else routed by Starlette."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from router.runtime.histograms import Histograms
from router.runtime.short_cache import cached_if_short
from router.server.api.http import formats
from router.server.api.http.callers import Callers
from router.server.api.http.lookup_request import lookup_request
from router.server.api.http.lookups import Lookups, answer_of
from router.server.api.http.requests import CallerDisconnectedError, Receive, query_of
from router.server.api.http.results import HttpError, error_body, retry_after
from router.server.failure import BROKEN, Failure

log = logging.getLogger(__name__)

Send = Callable[[Any], Awaitable[None]]
_Message = dict[str, Any]
"""ASGI's; the server reads it and changes nothing, so that one that is kept can be sent again."""

LOOKUP_PATH = "/v1/lookup/"
LOOKUP_TEMPLATE = LOOKUP_PATH + "{number}"
_METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"))
_OTHER_METHOD = "_OTHER"
"""Of a request whose method is none of these (OpenTelemetry's name for it)."""
_READING = ("GET", "HEAD")
_NO_STORE = (b"cache-control", b"no-store")
_CLOSE = (b"connection", b"close")
_KEEP_ALIVE = (b"connection", b"keep-alive")
KEPT_1_0 = "did_router.kept_1_0"
"""Key of a request's scope, set by the server: HTTP/1.0, and the caller wants to keep the connection."""
_CACHED = 16384
"""Requests, and responses, that are kept: making one takes ten times as long as finding it."""


class HttpApp:
    """Answers HTTP requests.

    Args:
        lookups: answers lookups.
        routes: everything but `GET /v1/lookup/{number}`.
        callers: identifies callers and their permissions.
        durations: of requests, by method, route and status code.
    """

    def __init__(self, lookups: Lookups, routes: list[BaseRoute], callers: Callers, durations: Histograms) -> None:
        self._durations = durations
        self._templates = {each.endpoint: template_of(each) for each in routes if isinstance(each, Route)}
        self._lookups = lookups
        self._callers = callers
        self.draining = False
        """Each response asks the caller to reconnect, if possible elsewhere."""
        handlers: Any = {HTTPException: _http_exception, HttpError: _http_error, Exception: _broken}
        self._others = Starlette(routes=routes, exception_handlers=handlers)
        self._others.router.redirect_slashes = False  # a switch follows no redirect

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        try:
            if scope["path"].startswith(LOOKUP_PATH) and scope["method"] in _READING:
                status = await self._answer_lookup(scope, send)
                self._observe(scope["method"], LOOKUP_TEMPLATE, status, began)
            else:
                await self._answer_other(scope, receive, send, began)
        except CallerDisconnectedError:
            return
        except Exception:
            log.exception("answering failed: method=%s path=%s", scope["method"], scope["path"])

    async def _answer_other(self, scope: Any, receive: Receive, send: Send, began: float) -> None:
        """Have Starlette answer, and see what it sends."""
        status = 500

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            header = self._connection(scope)
            await self._others(scope, receive, watched if header is None else _with(header, watched))
        finally:
            self._observe(scope["method"], self._templates.get(scope.get("endpoint"), ""), status, began)

    def _observe(self, method: str, route: str, status: int, began: float) -> None:
        labels = (method if method in _METHODS else _OTHER_METHOD, route, str(status))
        self._durations.observe(labels, time.perf_counter() - began)

    async def _answer_lookup(self, scope: Any, send: Send) -> int:
        """Answer `GET /v1/lookup/{number}`, past the router: nearly every request is one of these.

        Returns:
            The status code.
        """
        query = scope["query_string"]
        try:
            request, wanted = _read_url(scope["path"], query)
            context = self._callers.lookup(dict(scope["headers"]))
            result = self._lookups.submit(request, context.time_remaining(), context.trace)
            if not isinstance(result, bytes):
                result = await answer_of(result)
            start, body = _found(result, wanted)
        except HttpError as problem:
            start, body = _error(problem, query)
        except Exception:
            log.exception("answering failed: method=%s path=%s", scope["method"], scope["path"])
            start, body = _error(HttpError(BROKEN), query)
        header = self._connection(scope)
        await send(start if header is None else {**start, "headers": [*start["headers"], header]})
        await send(body)
        return int(start["status"])

    def _connection(self, scope: Any) -> tuple[bytes, bytes] | None:
        """Return the Connection header that a response needs; None where HTTP's default is right."""
        if self.draining:
            return _CLOSE
        return _KEEP_ALIVE if KEPT_1_0 in scope else None


def _with(header: tuple[bytes, bytes], send: Send) -> Send:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), header]}
        await send(message)

    return sending


@cached_if_short(_CACHED)
def _read_url(path: str, query_string: bytes) -> tuple[bytes, str]:
    """Return the serialised LookupRequest that a URL writes, and the format of the response.

    Raises:
        HttpError: the query can't be read.
    """
    query = query_of(query_string) if query_string else {}
    wanted = formats.format_of(query)
    return lookup_request(path[len(LOOKUP_PATH) :], query).SerializeToString(), wanted


@lru_cache(_CACHED)
def _found(answer: bytes, wanted: str) -> tuple[_Message, _Message]:
    return _messages(200, wanted, formats.route_body(answer, wanted), [])


def _messages(status: int, wanted: str, body: bytes, more: Sequence[tuple[bytes, bytes]]) -> tuple[_Message, _Message]:
    """Return ASGI's messages of a response."""
    length = (b"content-length", b"%d" % len(body))
    headers = [(b"content-type", formats.CONTENT_TYPES[wanted]), length, _NO_STORE, *more]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


def _error(problem: HttpError, query_string: bytes) -> tuple[_Message, _Message]:
    wanted = _format_or_json(query_string)
    text = formats.error_bytes(error_body(problem.failure, problem.status), wanted)
    return _messages(problem.status, wanted, text, _error_headers(problem))


def _format_or_json(query_string: bytes) -> str:
    """Return the format of an error: the one that is asked for, where it is one of ours."""
    try:
        return formats.format_of(query_of(query_string))
    except HttpError:
        return formats.JSON


def template_of(route: Route) -> str:
    """Return a route's path with the bare names of its parameters in braces."""
    return route.path.replace(":path}", "}")


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
    wanted = _format_or_json(request.scope["query_string"])
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


async def _broken(request: Request, _: Exception) -> Response:
    return await _http_error(request, HttpError(BROKEN))
