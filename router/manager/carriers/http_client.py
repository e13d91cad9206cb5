"""A JSON-over-HTTP client that reports exactly how far a failed request got.

It uses the standard library's client, which separates connecting from sending: that decides whether an order may be
repeated. The connection pools and retries of other clients are unwanted here.
"""

import base64
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import orjson

_MAX_RESPONSE_BYTES = 256 * 1024
"""Bytes of a response that are read; no response to an order is longer."""

_MAX_MESSAGE_LENGTH = 300


class ConnectFailed(Exception):
    """No connection was made: the other side knows nothing of this request."""


class ResponseLost(Exception):
    """The request was sent, at least in part, but no response came: the other side may have acted on it."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response.

    Attributes:
        status: the HTTP status.
        body: the JSON object, or None if the body is none.
        text: the body as it came, bounded and printable.
    """

    status: int
    body: Mapping[str, Any] | None
    text: str

    @property
    def message(self) -> str:
        """The other side's explanation for people: its message, else its body."""
        explanations = [self.body.get(name) for name in ("message", "error", "detail", "reason")] if self.body else []
        message = next((each for each in explanations if isinstance(each, str) and each.strip()), None)
        return printable(message or self.text) or "it gave no reason"


@dataclass(frozen=True)
class Endpoint:
    """The target of requests, and their timeouts.

    Attributes:
        url: http or https, without credentials.
        authorization: the header's value; empty for none.
        connect_timeout: seconds until connected, TLS included.
        read_timeout: seconds of silence.
        timeout: seconds for one whole request.
        ca_file: certificates to trust instead of the system's; empty for the system's.
    """

    url: str
    authorization: str = ""
    connect_timeout: float = 5.0
    read_timeout: float = 20.0
    timeout: float = 30.0
    ca_file: str = ""

    def send(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> HttpResponse:
        """Send one request; redirects are not followed.

        Raises:
            ConnectFailed: the request certainly did not arrive.
            ResponseLost: the request may have arrived.
        """
        sent = {"Accept": "application/json", **headers}
        if self.authorization:
            sent["Authorization"] = self.authorization
        raw = None
        if body is not None:
            raw = orjson.dumps(body)
            sent["Content-Type"] = "application/json"
        connection = self._connect()
        deadline_timer = threading.Timer(self.timeout, _shut_down, (connection.sock,))
        deadline_timer.daemon = True
        deadline_timer.start()
        try:
            connection.request(method, urlsplit(self.url).path.rstrip("/") + path, raw, sent)
            response = connection.getresponse()
            return _parse_response(response.status, response.read(_MAX_RESPONSE_BYTES))
        except TimeoutError:
            raise ResponseLost(f"no response within {self.read_timeout:g} s") from None
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise ResponseLost(f"the connection was lost: {_describe(problem)}") from None
        finally:
            deadline_timer.cancel()
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        where = urlsplit(self.url)
        host = where.hostname or ""
        connection = (
            http.client.HTTPSConnection(host, where.port, timeout=self.connect_timeout, context=self._tls)
            if where.scheme == "https"
            else http.client.HTTPConnection(host, where.port, timeout=self.connect_timeout)
        )
        try:
            connection.connect()
        except TimeoutError:
            connection.close()
            raise ConnectFailed(f"no connection to {where.netloc} within {self.connect_timeout:g} s") from None
        except (OSError, ValueError) as problem:
            connection.close()
            raise ConnectFailed(f"no connection to {where.netloc}: {_describe(problem)}") from None
        connection.sock.settimeout(self.read_timeout)
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file or None)


def basic_authorization(username: str, password: str) -> str:
    """Return the Authorization header's value for a username and a password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def printable(text: str) -> str:
    """Return foreign text as one printable line of bounded length, safe for a log."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * _MAX_MESSAGE_LENGTH]).split())
    return line if len(line) <= _MAX_MESSAGE_LENGTH else f"{line[:_MAX_MESSAGE_LENGTH]}…"


def _parse_response(status: int, raw: bytes) -> HttpResponse:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    text = raw[: 8 * _MAX_MESSAGE_LENGTH].decode("utf-8", "replace")
    return HttpResponse(status, body if isinstance(body, dict) else None, text)


def _shut_down(connected: socket.socket) -> None:
    """End a request whose response trickles in: each read is in time, and the response never ends."""
    try:
        socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not TLS' own shutdown: another thread reads from it
    except OSError:
        return  # the connection ended by itself


def _describe(problem: Exception) -> str:
    return printable(str(problem)) or type(problem).__name__
