"""A CouchDB server, asked through the `couchdb` package.

The package is synchronous; a session without a time limit would hang its caller for ever on a stopped server.
"""

import logging
import socket
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import couchdb.http
import couchdb.json
import orjson

from router.couch.credentials import CredentialGate
from router.couch.errors import BadAnswer, Conflict, CouchRefused, CouchUnavailable, NotFound, TooLarge, WrongPassword

log = logging.getLogger(__name__)

couchdb.json.use(decode=orjson.loads, encode=lambda value: orjson.dumps(value).decode())


class _NoCache(couchdb.http.Cache):  # type: ignore[misc]  # the package is untyped
    """The package caches answers by ETag; a document that must be fresh gains nothing from it."""

    def put(self, url: str, response: Any) -> None:
        """Keep nothing."""


class Couch:
    """One CouchDB server with one time limit; threads may share it.

    Args:
        url: with credentials, such as http://admin:secret@127.0.0.1:5984.
        time_limit: seconds that the server may stay silent.
        gate: shared by clients of one server, so that a refusal seen by one stops all.
    """

    def __init__(self, url: str, *, time_limit: float, gate: CredentialGate | None = None) -> None:
        self._url = url
        self._address, self._credentials = _split(url)
        self.gate = gate or CredentialGate(self._address, self._credentials)
        self.time_limit = time_limit
        self._resource = self._new_resource(couchdb.http.Session(timeout=time_limit))

    def with_time_limit(self, time_limit: float) -> "Couch":
        """The same server under another time limit."""
        return Couch(self._url, time_limit=time_limit, gate=self.gate)

    def request(self, method: str, path: list[str], body: Any = None, **params: str | int | bool | None) -> Any:
        """Send a request and decode the JSON that comes back.

        Args:
            method: GET, PUT, POST or DELETE.
            path: segments, each encoded once here.
            body: anything that JSON can hold.
            params: the query; values that CouchDB wants as JSON come encoded.

        Raises:
            CouchError: see `router.couch.errors`.
        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        send = self._resource._request  # noqa: SLF001 - the public ones decode before an error can be told
        with self.gate.request(self.time_limit):
            answer = _translated(self._address, lambda: send(method, path, body=body, headers=headers, **params))
            raw = _translated(self._address, lambda: answer[2].read() if answer[2] is not None else b"{}")
        return decode(raw)

    def open_feed(self, path: list[str], **params: str | int | bool | None) -> "OpenFeed":
        """Open a continuous feed on a connection of its own.

        Returns:
            The feed as soon as CouchDB sent its first byte: `_db_updates` sends no headers before.

        Raises:
            CouchError: see `router.couch.errors`.
        """
        feed = OpenFeed(self.time_limit)
        resource = self._new_resource(feed.session)
        with self.gate.request(self.time_limit):
            answer = _translated(self._address, lambda: resource.get(path, **params))
        feed.attach(answer[2])
        return feed

    def _new_resource(self, session: couchdb.http.Session) -> couchdb.http.Resource:
        session.cache = _NoCache()
        session.max_redirects = -1  # CouchDB sends nobody elsewhere, and the password goes to nobody else
        resource = couchdb.http.Resource(self._address, session)
        resource.credentials = self._credentials
        return resource


class _KnownConnections(couchdb.http.ConnectionPool):  # type: ignore[misc]  # the package is untyped
    """A pool that remembers its connections, so that another thread can cut them."""

    def __init__(self, time_limit: float) -> None:
        super().__init__(time_limit)
        self.opened: list[Any] = []

    def get(self, url: str) -> Any:
        connection = super().get(url)
        self.opened.append(connection)
        return connection


class OpenFeed:
    """A continuous feed: an iterator of lines that another thread may close."""

    def __init__(self, time_limit: float) -> None:
        self.session = couchdb.http.Session(timeout=time_limit)
        self._pool = _KnownConnections(time_limit)
        self.session.connection_pool = self._pool
        self._body: Any = None
        self.closed = False

    def attach(self, body: Any) -> None:
        """Take over the response whose lines are to be read."""
        if not hasattr(body, "resp"):
            raise BadAnswer("a feed was asked for and something else came back")
        self._body = body

    def lines(self) -> Any:
        """Yield each line, b"" for a heartbeat, until the server ends the feed.

        Raises:
            CouchUnavailable: silence for longer than the time limit, or the connection was cut.
        """
        response: HTTPResponse = self._body.resp
        while not self.closed:
            try:
                line = _translated("the feed", response.readline)
            except CouchUnavailable:
                if self.closed:
                    return  # what was on its way when it was closed
                raise
            if not line.endswith(b"\n"):
                if line and not self.closed:
                    raise CouchUnavailable("the feed was cut in the middle of a line")
                return
            yield line.strip()

    def close(self) -> None:
        """End the feed now, from any thread."""
        self.closed = True
        for connection in self._pool.opened:
            try:
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # already gone


def decode(raw: bytes | str) -> Any:
    """JSON, or BadAnswer."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise BadAnswer(f"CouchDB answered something that isn't JSON: {problem}") from None


def _split(url: str) -> tuple[str, tuple[str, str] | None]:
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/") + "/"))
    if parts.username is None:
        return bare, None
    return bare, (unquote(parts.username), unquote(parts.password or ""))


def _translated(address: str, act: Any) -> Any:
    """Run one exchange; the package's errors and the socket's become ours."""
    try:
        return act()
    except (couchdb.http.Unauthorized, couchdb.http.Forbidden) as problem:
        raise _refusal(_reason(problem)) from None
    except couchdb.http.ResourceNotFound as problem:
        raise _not_found(address, problem) from None
    except (couchdb.http.ResourceConflict, couchdb.http.PreconditionFailed) as problem:
        raise Conflict(_reason(problem)) from None
    except couchdb.http.ServerError as problem:
        raise _server_error(address, problem) from None
    except orjson.JSONDecodeError as problem:
        raise BadAnswer(f"{address} does not answer as CouchDB does: {problem}") from None
    except (TimeoutError, OSError, HTTPException, ValueError, OverflowError, MemoryError) as problem:
        # ValueError: a socket cut in the middle of a chunk's size; the last two: a size beyond any number, any memory.
        said = str(problem) or type(problem).__name__
        raise CouchUnavailable(f"CouchDB at {address}: {said}") from None
    except (AttributeError, KeyError, TypeError, couchdb.http.RedirectLimit) as problem:
        # The package stumbles over error bodies that are not CouchDB's.
        raise BadAnswer(f"{address} does not answer as CouchDB does ({problem})") from None


def _not_found(address: str, problem: Exception) -> Exception:
    """A proxy's own 404 must not pass for a number, or a whole database, that is not there."""
    said = problem.args[0] if problem.args else None
    if isinstance(said, tuple) and said[0] == "not_found":
        return NotFound(_words(said))
    return BadAnswer(f"{address} answered 404, but not as CouchDB does: is something else listening there?")


def _refusal(reason: str) -> CouchRefused:
    if any(word in reason for word in _WRONG):
        return WrongPassword(reason)
    return CouchRefused(f"CouchDB refuses: {reason} (did-router needs a server admin's user)")


def _server_error(address: str, problem: Exception) -> Exception:
    status, said = (*problem.args[0], None)[:2] if problem.args else (0, None)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLarge(f"CouchDB at {address} takes no document that large (max_document_size): {_words(said)}")
    if status == 400:  # noqa: PLR2004 - Bad Request
        return BadAnswer(f"CouchDB at {address} refused the request: {_words(said)}")
    return CouchUnavailable(f"CouchDB at {address} answered {status}: {_words(said)}")


def _reason(problem: Exception) -> str:
    return _words(problem.args[0]) if problem.args else ""


def _words(said: Any) -> str:
    if isinstance(said, tuple | list):
        return str(said[-1])
    return str(said)


_WRONG = ("incorrect", "locked")
"""What CouchDB says of a wrong password, and of an account that too many of them have locked."""

Document = Mapping[str, Any]
