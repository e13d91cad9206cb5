"""One JSON request over HTTP, and exactly how far it got when it fails.

The standard library's client does: it tells connecting from sending, which is what decides whether an order may be
repeated, and pools and retries, which others would bring, are not wanted here.
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

_LARGEST = 256 * 1024
"""Bytes of an answer that are read; no order's answer is longer."""

_LONGEST_WORDS = 300


class NotSent(Exception):
    """Nobody was reached: the other side knows nothing of this request."""


class Unanswered(Exception):
    """It was sent, at least in part, and no answer came: the other side may have acted on it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP.
        body: the JSON object, or None when it is none.
        text: the body as it came, bounded and printable.
    """

    status: int
    body: Mapping[str, Any] | None
    text: str

    @property
    def words(self) -> str:
        """What the other side says, for people: its message, else its body."""
        said = [self.body.get(name) for name in ("message", "error", "detail", "reason")] if self.body else []
        message = next((each for each in said if isinstance(each, str) and each.strip()), None)
        return printable(message or self.text) or "it gave no reason"


@dataclass(frozen=True)
class Endpoint:
    """Where requests go, and how long they may take.

    Attributes:
        url: http or https, without credentials.
        authorization: the header's value; empty for none.
        connect_time_limit: seconds until connected, TLS included.
        read_time_limit: seconds of silence.
        time_limit: seconds for one request in all.
        ca_file: certificates to trust instead of the system's; empty for the system's.
    """

    url: str
    authorization: str = ""
    connect_time_limit: float = 5.0
    read_time_limit: float = 20.0
    time_limit: float = 30.0
    ca_file: str = ""

    def send(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
        """Send one request; redirects are not followed.

        Raises:
            NotSent: it certainly did not arrive.
            Unanswered: it may have arrived.
        """
        sent = {"Accept": "application/json", **headers}
        if self.authorization:
            sent["Authorization"] = self.authorization
        raw = None
        if body is not None:
            raw = orjson.dumps(body)
            sent["Content-Type"] = "application/json"
        connection = self._connect()
        overdue = threading.Timer(self.time_limit, _cut, (connection.sock,))
        overdue.daemon = True
        overdue.start()
        try:
            connection.request(method, urlsplit(self.url).path.rstrip("/") + path, raw, sent)
            response = connection.getresponse()
            return _answer(response.status, response.read(_LARGEST))
        except TimeoutError:
            raise Unanswered(f"no answer within {self.read_time_limit:g} s") from None
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Unanswered(f"the connection was lost: {_said(problem)}") from None
        finally:
            overdue.cancel()
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        where = urlsplit(self.url)
        host = where.hostname or ""
        connection = (
            http.client.HTTPSConnection(host, where.port, timeout=self.connect_time_limit, context=self._tls)
            if where.scheme == "https"
            else http.client.HTTPConnection(host, where.port, timeout=self.connect_time_limit)
        )
        try:
            connection.connect()
        except TimeoutError:
            connection.close()
            raise NotSent(f"no connection to {where.netloc} within {self.connect_time_limit:g} s") from None
        except (OSError, ValueError) as problem:
            connection.close()
            raise NotSent(f"no connection to {where.netloc}: {_said(problem)}") from None
        connection.sock.settimeout(self.read_time_limit)
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file or None)


def basic(username: str, password: str) -> str:
    """The header's value for a name and a password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def printable(text: str) -> str:
    """Somebody else's words, safe in a log line and of bounded length."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * _LONGEST_WORDS]).split())
    return line if len(line) <= _LONGEST_WORDS else f"{line[:_LONGEST_WORDS]}…"


def _answer(status: int, raw: bytes) -> Answer:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    text = raw[: 8 * _LONGEST_WORDS].decode("utf-8", "replace")
    return Answer(status, body if isinstance(body, dict) else None, text)


def _cut(connected: socket.socket) -> None:
    """End a request that drips: every byte in time, and never done."""
    try:
        socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not TLS' own, which another thread reads from
    except OSError:
        return  # it ended by itself


def _said(problem: Exception) -> str:
    return printable(str(problem)) or type(problem).__name__
