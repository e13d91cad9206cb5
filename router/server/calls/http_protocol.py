"""HTTP on one connection: uvicorn's protocol, with bounds, errors that parse, and connections that stay open."""

import asyncio
import re
from http import HTTPStatus

import grpc
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from router.server.api.http import formats
from router.server.api.http.app import KEPT_1_0
from router.server.api.http.results import error_body
from router.server.calls.connection_limit import ConnectionLimit
from router.server.calls.http_connections import Asking, Lingering
from router.server.failure import Failure

_MAX_URL = 8 << 10
_MAX_HEAD = 16 << 10
"""Bytes of names and values of header fields: as many as the edge accepts."""
_MAX_FIELDS = 100
_REQUEST_TIMEOUT = 60.0
"""Seconds for the first request of a connection, and for the rest of a request that has begun. A switch sends it within
milliseconds; a connection that does not would hold its place as long as its caller likes."""
_USUAL = (b"GET ", b"POST ", b"HEAD ")
_VERSION, _END = b" HTTP/1.", b"\r\n\r\n"
_TOKEN, _REST = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}", rb" [^ \r\n]{1,8192} HTTP/1\.[01]\r?\n"
_REQUEST_LINE = re.compile(rb"[\r\n]*(" + _TOKEN + rb")" + _REST)
_FOLLOWING = re.compile(rb"(\n)" + _TOKEN + _REST)
_KNOWN = frozenset((b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE"))
_STAND_IN = b"PATCH"
"""Stands for a method that llhttp does not know and ends the connection for; the application sees the real one."""


def _response(status: HTTPStatus, message: str) -> bytes:
    error = error_body(Failure(grpc.StatusCode.INVALID_ARGUMENT, message), status)
    body = formats.error_bytes(error, formats.JSON)
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body


_NOT_HTTP = _response(HTTPStatus.BAD_REQUEST, "this is no HTTP request")
_URL_TOO_LONG = _response(HTTPStatus.REQUEST_URI_TOO_LONG, f"the URL is longer than {_MAX_URL} bytes")
_HEAD_TOO_LARGE = _response(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"the header fields are more than {_MAX_FIELDS}, or longer than {_MAX_HEAD} bytes",
)
_TIMED_OUT = _response(HTTPStatus.REQUEST_TIMEOUT, f"the request was not whole within {_REQUEST_TIMEOUT:.0f} s")


class _TooLargeError(Exception):
    """Ends the parser."""


class HttpProtocol(HttpToolsProtocol):
    """Answers what is no HTTP, too large or too slow with a body that parses, and any method at all as HTTP.

    Attributes:
        limit: of the connections over TCP; None for any number. A Unix socket's are the edge's, which counts its own.
    """

    limit: ConnectionLimit | None = None
    _transport: Lingering
    _deadline: asyncio.TimerHandle | None = None
    """Runs until the request is whole."""
    _whole: object = None
    """The scope of the last request that is whole; as long as there is no newer one, the next bytes begin a request."""
    _held = b""
    """The beginning of a request line."""
    _method = b""
    """That `_STAND_IN` stands for; empty for none."""
    _is_short = False
    """The bytes that came last are a request that is within the bounds but for its number of fields."""
    _unreported, _reported = 0, False
    """Bytes of which the parser has reported nothing: of a field that does not end; and whether it has reported some of
    those that came last."""
    _tail = b""
    """The bytes that came last."""
    _body = 0
    """Bytes of the body that have come."""
    _earlier: RequestResponseCycle | None = None
    """The request before the last one."""
    _refusal = _NOT_HTTP
    _failed = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Keep the connection where there is room for it."""
        super().connection_made(transport)
        self.transport = self._transport = Lingering(transport)
        self._await_request()
        if self.limit is not None and self.client is not None and not self.limit.open(self.client[0]):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection out."""
        if self.limit is not None and self.client is not None:
            self.limit.close(self.client[0])
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse bytes; nearly always they are one request without a body, which needs none of the checks."""
        self._is_short = (
            len(data) <= _MAX_URL
            and data.endswith(_END)
            and data.startswith(_USUAL)
            and data.count(_VERSION) == 1
            and self._whole is self.scope
            and not self._held
        )
        if self._is_short:
            super().data_received(data)
        elif not self._failed:
            self._parse(data)
        if self._deadline is None and (self._whole is not self.scope or self._held):
            self._await_request()

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(_REQUEST_TIMEOUT, self._time_out)

    def _time_out(self) -> None:
        self._deadline = None
        if self._failed:
            return
        if self._whole is self.scope and not self._held:
            self.transport.close()  # nothing was asked
            return
        self._refusal = _TIMED_OUT
        self.send_400_response("")

    def _parse(self, data: bytes) -> None:
        """Parse bytes in pieces that end with a request, so that each request's method is seen before the parser."""
        data, self._held = self._held + data, b""
        headers, self._reported, at = self.headers, False, 0
        while at < len(data) and not self._failed:
            if self._whole is self.scope:
                if data.find(b"\n", at) < 0 and len(data) - at < _MAX_URL:
                    self._held = data[at:]
                    break
                at = self._replace_odd_method(data, at)
            end = self._end_of_piece(data, at)
            super().data_received(data[at:end])
            at = end
        self._tail = (self._tail + data)[-3:]
        if self._whole is not self.scope and not self._failed:
            self._bound_unfinished(0 if self._reported or self.headers is not headers else len(data))

    def _replace_odd_method(self, data: bytes, at: int) -> int:
        """Parse the stand-in for a method that llhttp does not know; return where to go on."""
        found = _REQUEST_LINE.match(data, at)
        if found is None or found[1] in _KNOWN:
            return at
        self._method = found[1]
        super().data_received(_STAND_IN)
        return found.end(1)

    def _end_of_piece(self, data: bytes, at: int) -> int:
        """Return where the request ends that is being parsed, or an earlier position."""
        if at == 0 and (rest := self._rest_of_end(data)):
            return rest
        if self._whole is self.scope or "method" not in self.scope:
            end = data.find(_END, at)
            return end + len(_END) if end >= 0 else len(data)
        length = next((value for name, value in self.headers if name == b"content-length"), None)
        if length is not None:
            return min(at + max(1, int(length) - self._body), len(data))
        following = _FOLLOWING.search(data, at)  # behind the last chunk, or within one
        if following is not None:
            return following.end(1)
        end = data.rfind(_END, at)
        return end + len(_END) if end >= 0 else len(data)

    def _rest_of_end(self, data: bytes) -> int:
        """Return the bytes that are the rest of an empty line which began with the bytes before."""
        sizes = range(1, len(_END))
        return next((size for size in sizes if data.startswith(_END[-size:]) and self._tail.endswith(_END[:-size])), 0)

    def _bound_unfinished(self, unreported: int) -> None:
        """Refuse a field that does not end, and fields without end, before a body or behind it."""
        self._unreported += unreported
        if self._unreported > _MAX_HEAD or len(self.headers) > _MAX_FIELDS or len(self.url) > _MAX_URL:
            self._refusal = _URL_TOO_LONG if len(self.url) > _MAX_URL else _HEAD_TOO_LARGE
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """Have the application answer; send no 100 to HTTP/1.0, which does not know it (RFC 9110 15.2)."""
        if not self._is_short or len(self.headers) > _MAX_FIELDS:
            self._bound_head()
        self._unreported = self._body = 0
        if self.expect_100_continue and self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False
        self._earlier = self.cycle
        super().on_headers_complete()
        self._transport.is_unread = True
        if self.expect_100_continue:
            self.cycle.__class__ = Asking  # uvicorn makes the object, before its first step
        if self._method:
            self.scope["method"], self._method = self._method.decode("ascii"), b""
        if self.scope["http_version"] == "1.0" and self.parser.should_keep_alive():
            self.cycle.keep_alive = True
            self.scope[KEPT_1_0] = True  # type: ignore[literal-required]

    def _bound_head(self) -> None:
        if len(self.url) > _MAX_URL:
            self._refusal = _URL_TOO_LONG
            raise _TooLargeError
        if len(self.headers) > _MAX_FIELDS or sum(len(name) + len(value) for name, value in self.headers) > _MAX_HEAD:
            self._refusal = _HEAD_TOO_LARGE
            raise _TooLargeError

    def on_body(self, body: bytes) -> None:
        """Note that bytes have been reported."""
        self._reported, self._unreported = True, 0
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the next bytes begin a request."""
        self._whole = self.scope
        self._transport.is_unread = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for the responses that are owed to whole requests: the caller may still read."""
        last = self._last()
        if self._failed or last is None or last.response_complete or self._whole is not self.scope:
            return False
        last.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        """Refuse, and close; where responses are owed to earlier requests, close after these instead."""
        del msg
        self._failed = True
        last = self._last()
        is_cut = self._whole is not self.scope and last is not None and last.scope is self.scope
        is_answered = is_cut and last is not None and last.response_started
        if is_cut and not is_answered:
            last = self._earlier  # the last one's body broke off, and it is the one to be refused
            if self.pipeline:
                self.pipeline.popleft()
        self._whole = self  # the next bytes begin nothing
        self._transport.is_unread = True
        if last is not None and not last.response_complete:
            last.keep_alive = False
            return
        if not is_answered:
            self.transport.write(self._refusal)
        self.transport.close()

    def _last(self) -> RequestResponseCycle | None:
        return self.pipeline[0][0] if self.pipeline else self.cycle
