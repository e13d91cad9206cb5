"""HTTP on one connection: uvicorn's protocol, with bounds, errors that parse, and connections that stay open."""

import re
from http import HTTPStatus

import grpc
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from router.server.api.http import formats
from router.server.api.http.app import KEPT_1_0
from router.server.api.http.results import error_body
from router.server.failure import Failure

_MAX_URL = 8 << 10
_MAX_HEAD = 16 << 10
"""Bytes of names and values of header fields: as many as the edge accepts."""
_MAX_FIELDS = 100
_LINGER = 1.0
"""Seconds in which the rest of a refused request is read and dropped: a connection that is closed with unread bytes is
reset, and its caller may lose the response."""
_USUAL = (b"GET ", b"POST ", b"HEAD ")
_VERSION = b" HTTP/1."
_REQUEST_LINE = re.compile(rb"(?:\A|\n)([!#$%&'*+\-.^_`|~0-9A-Za-z]+) [^ \r\n]+ HTTP/1\.[01]\r?\n")
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


class _TooLargeError(Exception):
    """Ends the parser."""


class HttpProtocol(HttpToolsProtocol):
    """Answers what is no HTTP, or too large, with a body that parses, and any method at all as HTTP."""

    _between = True
    """No request has begun and is not whole."""
    _begun = False
    """A request began with the bytes that came last."""
    _held = b""
    """The beginning of a request line."""
    _method = b""
    """That `_STAND_IN` stands for; empty for none."""
    _head = 0
    """Bytes of the header fields, or of those that the parser has not reported yet."""
    _in_head = False
    _earlier: RequestResponseCycle | None = None
    """The request before the last one."""
    _refusal = _NOT_HTTP
    _failed = False

    def data_received(self, data: bytes) -> None:
        """Parse bytes."""
        if self._failed:
            return
        if self._held:
            data, self._held = self._held + data, b""
        if self._between and b"\n" not in data and len(data) < _MAX_URL:
            self._held = data
            return
        self._begun = False
        if not data.startswith(_USUAL) or data.count(_VERSION) > 1:
            data = self._feed_odd_methods(data)
        super().data_received(data)
        if self._in_head and not self._begun:
            self._count(len(data))

    def _feed_odd_methods(self, data: bytes) -> bytes:
        """Parse the bytes up to the last method that llhttp does not know, and it, too; return those behind it."""
        at = 0
        for found in _REQUEST_LINE.finditer(data):
            if found[1] in _KNOWN:
                continue
            if found.start(1) > at:
                super().data_received(data[at : found.start(1)])
            at = found.start(1)
            if self._between and not self._failed:  # else it is part of a body
                self._method, at = found[1], found.end(1)
                super().data_received(_STAND_IN)
        return data[at:]

    def _count(self, size: int) -> None:
        """Refuse a header field that does not end, of which the parser reports nothing."""
        self._head += size
        if self._head > _MAX_HEAD:
            self._refusal = _URL_TOO_LONG if len(self.url) > _MAX_URL else _HEAD_TOO_LARGE
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._between, self._in_head, self._begun, self._head = False, True, True, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Refuse a long one."""
        super().on_url(url)
        if len(self.url) > _MAX_URL:
            self._refusal = _URL_TOO_LONG
            raise _TooLargeError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse too many, and long ones."""
        self._head += len(name) + len(value)
        if self._head > _MAX_HEAD or len(self.headers) >= _MAX_FIELDS:
            self._refusal = _HEAD_TOO_LARGE
            raise _TooLargeError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Have the application answer; send no 100 to HTTP/1.0, which does not know it (RFC 9110 15.2)."""
        self._in_head = False
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False
        self._earlier = self.cycle
        super().on_headers_complete()
        if self._method:
            self.scope["method"], self._method = self._method.decode("ascii"), b""
        if self.scope["http_version"] == "1.0" and self.parser.should_keep_alive():
            self.cycle.keep_alive = True
            self.scope[KEPT_1_0] = True  # type: ignore[literal-required]

    def on_message_complete(self) -> None:
        """Note that the next bytes begin a request."""
        self._between = True
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for the responses that are owed to whole requests: the caller may still read."""
        last = self._last()
        if self._failed or last is None or last.response_complete or not self._between:
            return False
        last.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        """Refuse, and close; where responses are owed to earlier requests, close after these instead."""
        del msg
        self._failed = True
        last = self._last()
        if not self._between and not self._in_head:  # the last one's body broke off, and it is the one to be refused
            last = self._earlier
            if self.pipeline:
                self.pipeline.popleft()
        if last is not None and not last.response_complete:
            last.keep_alive = False
            return
        self.transport.write(self._refusal)
        self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)

    def _last(self) -> RequestResponseCycle | None:
        return self.pipeline[0][0] if self.pipeline else self.cycle
