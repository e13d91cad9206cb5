"""HTTP/1.1 for CouchDB's clients: parses requests, sends whole or chunked responses, keeps connections alive."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, BinaryIO, Protocol
from urllib.parse import parse_qsl, unquote_plus

import orjson

from router.embedded.couchdb.errors import ApiError, bad_request, invalid_json

_MAX_LINE_BYTES = 65536
_MAX_HEADERS = 200
_FLUSH_BYTES = 65536
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_COMMON = "Server: CouchDB/3.5.0 (embedded)\r\nCache-Control: must-revalidate\r\nContent-Type: application/json\r\n"


class Sender(Protocol):
    """The half of a socket that sends."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of `data`."""


@dataclass(slots=True)
class Request:
    """One request, its body read. Header names are lower case; `parts` is the path, split and decoded."""

    method: str
    parts: list[str]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    http11: bool
    peer: str

    @property
    def verb(self) -> str:
        """The method to dispatch on; HEAD is GET without a body."""
        return "GET" if self.method == "HEAD" else self.method

    def keeps_alive(self) -> bool:
        """Return whether the client keeps the connection open after this request."""
        wanted = self.headers.get("connection", "").lower()
        return wanted != "close" if self.http11 else wanted == "keep-alive"

    def json(self) -> Any:
        """Return the body's JSON; raises the 400."""
        return parse_json(self.body)

    def json_object(self) -> dict[str, Any]:
        """Return the body's JSON, which must be an object; raises the 415 for another content type."""
        self.require_json()
        value = self.json()
        if not isinstance(value, dict):
            raise bad_request("Request body must be a JSON object")
        return value

    def require_json(self) -> None:
        """Raise the 415 unless the content type is JSON."""
        content_type = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type != "application/json":
            raise ApiError(415, "bad_content_type", "Content-Type must be application/json")

    def quorum(self, name: str) -> int | None:
        """Return the number of copies in the parameter `r` or `w`; None without it."""
        text = self.query.get(name, "")
        return int(text) if text.isdecimal() else None

    def matches(self, etag: str) -> bool:
        """Return whether `If-None-Match` has this ETag."""
        given = self.headers.get("if-none-match")
        return given is not None and etag in given.replace("W/", "").replace(" ", "").split(",")


def parse_json(text: str | bytes) -> Any:
    """Parse JSON; raises CouchDB's 400."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise invalid_json() from error


def read_request(stream: BinaryIO, connection: Sender, peer: str) -> Request | None:
    """Read the next request of a connection; None when the client closed it.

    Raises:
        ApiError: the client sent something other than HTTP; send the error and close.
    """
    line = stream.readline(_MAX_LINE_BYTES + 1)
    while line in (b"\r\n", b"\n"):
        line = stream.readline(_MAX_LINE_BYTES + 1)
    if not line:
        return None
    fields = line.decode("latin-1").split()
    if len(line) > _MAX_LINE_BYTES or len(fields) != 3 or not fields[2].startswith("HTTP/1."):  # noqa: PLR2004
        raise bad_request("malformed request line")
    method, target, version = fields
    headers = _read_headers(stream)
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = _read_body(stream, headers)
    path, _, query = target.partition("?")
    # A raw + is a space in path and query: CouchDB's `decode_plus_to_space`.
    parts = [unquote_plus(part) for part in path.split("/") if part]
    parameters = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
    return Request(method, parts, parameters, headers, body, version != "HTTP/1.0", peer)


def _read_headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MAX_HEADERS):
        line = stream.readline(_MAX_LINE_BYTES + 1)
        if line in (b"\r\n", b"\n", b""):
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise bad_request("malformed header")
        headers[name.strip().lower()] = value.strip()
    raise bad_request("too many headers")


def _read_body(stream: BinaryIO, headers: dict[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return b"".join(_read_chunks(stream))
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise bad_request("malformed Content-Length")
    body = stream.read(int(length))
    if len(body) < int(length):
        raise ConnectionAbortedError("the client left in the middle of a body")
    return body


def _read_chunks(stream: BinaryIO) -> Iterable[bytes]:
    while True:
        size_line = stream.readline(_MAX_LINE_BYTES)
        try:
            size = int(size_line.split(b";")[0], 16)
        except ValueError as error:
            raise bad_request("malformed chunk") from error
        if size == 0:
            while stream.readline(_MAX_LINE_BYTES) not in (b"\r\n", b"\n", b""):
                pass  # trailers
            return
        yield stream.read(size)
        stream.readline(_MAX_LINE_BYTES)


class Responder:
    """Sends one response: whole with `send`, or in chunks with `start`, `write`, `flush` and `end`."""

    def __init__(self, connection: Sender, request: Request | None) -> None:
        self.connection = connection
        self._bodiless = request is not None and request.method == "HEAD"
        self._chunked = request is None or request.http11
        self.keep_alive = request is not None and request.keeps_alive()
        self.started = False
        self._pending: list[bytes] = []
        self._size = 0
        self._head = b""

    def json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        """Send a whole JSON response."""
        self.send(status, orjson.dumps(value) + b"\n", headers)

    def error(self, error: ApiError) -> None:
        """Send an error response."""
        self.json(error.status, {"error": error.error, "reason": error.reason}, error.headers)

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Send a whole response; a 304 has no body."""
        self.started = True
        length = f"Content-Length: {len(body)}\r\n"
        head = self._status(status, headers) + length.encode() + b"\r\n"
        self.connection.sendall(head if self._bodiless else head + body)

    def start(self, headers: dict[str, str] | None = None) -> None:
        """Begin a chunked 200. Nothing is sent before the first byte of data, as in CouchDB."""
        encoding = b"Transfer-Encoding: chunked\r\n\r\n" if self._chunked else b"\r\n"
        self.keep_alive = self.keep_alive and self._chunked
        self._head = self._status(200, headers) + encoding

    def write(self, data: bytes) -> None:
        """Add to the response; it is sent when enough has been buffered."""
        self._pending.append(data)
        self._size += len(data)
        if self._size >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send the buffered data, if any."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        self._pending.clear()
        self._size = 0
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        head, self._head = self._head, b""
        self.started = True
        self.connection.sendall(head if self._bodiless else head + data)

    def end(self) -> None:
        """Finish a chunked response, with the newline that CouchDB ends JSON with."""
        self.write(b"\n")
        self.flush()
        if self._chunked and not self._bodiless:
            self.connection.sendall(b"0\r\n\r\n")

    def _status(self, status: int, headers: dict[str, str] | None) -> bytes:
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        close = "" if self.keep_alive else "Connection: close\r\n"
        date = f"Date: {formatdate(usegmt=True)}\r\n"
        return f"HTTP/1.1 {status} {_PHRASES[status]}\r\n{_COMMON}{date}{close}{extra}".encode("latin-1")
