"""A CouchDB, one node or several of a cluster, asked through the `couchdb` package.

The package is synchronous; a session without a time limit would hang its caller for ever on a stopped server.
"""

import logging
import select
import socket
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import couchdb.http
import couchdb.json
import orjson

from router.couch.credentials import CredentialGate
from router.couch.errors import (
    BadResponseError,
    ConflictError,
    ConnectFailed,
    CouchError,
    CouchRefused,
    CouchUnavailable,
    DocumentTooLargeError,
    NotFoundError,
    ResponseLost,
    WrongPasswordError,
)
from router.couch.nodes import PROBE_TIMEOUT, Membership, Nodes

log = logging.getLogger(__name__)

couchdb.json.use(decode=orjson.loads, encode=lambda value: orjson.dumps(value).decode())


class _NoCache(couchdb.http.Cache):  # type: ignore[misc]  # the package is untyped
    """The package caches answers by ETag; a document that must be fresh gains nothing from it."""

    def put(self, url: str, response: Any) -> None:
        """Keep nothing."""


@dataclass(frozen=True, slots=True)
class Response:
    """A decoded answer.

    Attributes:
        status: HTTP's; 202 where fewer copies took a write than CouchDB wanted.
        date: the server's own clock when it answered, in whole Unix seconds; None where it said none.
    """

    value: Any
    status: int
    date: float | None


class CouchClient:
    """One CouchDB with one time limit; threads may share it.

    Args:
        url: with credentials, such as http://admin:secret@127.0.0.1:5984; several nodes are separated by commas.
        time_limit: seconds that a node may stay silent.
        gate, nodes: shared by clients of one CouchDB, so that what one of them finds out serves all.
    """

    def __init__(
        self, url: str, *, timeout: float, gate: CredentialGate | None = None, nodes: Nodes | None = None
    ) -> None:
        self._url = url
        addresses, self._credentials = _split(url)
        self.gate = gate or CredentialGate(",".join(addresses), self._credentials)
        self.nodes = nodes or Nodes(addresses, self._ask_membership())
        self.timeout = timeout
        self._connections = _Connections(timeout)
        self._resources = self._open_resources(self._connections)

    def with_timeout(self, timeout: float) -> "CouchClient":
        """Return a client of the same CouchDB with another time limit."""
        return CouchClient(self._url, timeout=timeout, gate=self.gate, nodes=self.nodes)

    def each_node(self) -> "dict[str, CouchClient]":
        """Return a client for every node alone, by its address: to ask what nodes say of themselves."""
        parts = urlsplit(self._url)
        user = parts.netloc.rpartition("@")[0]
        made = {}
        for address in self.nodes.addresses:
            netloc = "@".join(filter(None, (user, urlsplit(address).netloc)))
            made[address] = CouchClient(urlunsplit(parts._replace(netloc=netloc)), timeout=self.timeout, gate=self.gate)
        return made

    def request(self, method: str, path: list[str], body: Any = None, **params: Any) -> Any:
        """Send a request and decode the JSON that comes back; see `exchange`."""
        return self.send(method, path, body, **params).value

    def read(self, path: list[str], body: Any, **params: Any) -> Any:
        """Send a POST that changes nothing, so that another node may be asked for the same."""
        return self.send("POST", path, body, is_read=True, **params).value

    def send(
        self,
        method: str,
        path: list[str],
        body: Any = None,
        *,
        is_read: bool = False,
        **params: Any,
    ) -> Response:
        """Send a request and decode the JSON that comes back.

        A node that can't be reached is left for another one. A read goes to another node also where a node
        stays silent or answers with an error of its own; a write does not, since it may have been done.

        Args:
            method: GET, PUT, POST or DELETE.
            path: segments, each encoded once here.
            body: anything that JSON can hold.
            is_read: the request changes nothing (every GET does not).
            params: the query; values that CouchDB wants as JSON come encoded.

        Raises:
            CouchError: see `router.couch.errors`.
        """
        end = time.monotonic() + self.timeout
        tried: list[str] = []
        while True:
            address = self.nodes.choose(tried)
            tried.append(address)
            try:
                with self.gate.request(self.timeout), self._judged(address):
                    return self._send_to(address, method, path, body, params)
            except CouchUnavailable as problem:
                repeatable = is_read or method == "GET" or isinstance(problem, ConnectFailed)
                if not repeatable or len(tried) >= len(self.nodes.addresses) or time.monotonic() > end:
                    raise

    def open_feed(self, path: list[str], **params: Any) -> "OpenFeed":
        """Open a continuous feed on a connection of its own.

        Returns:
            The feed as soon as CouchDB sent its first byte: `_db_updates` sends no headers before.

        Raises:
            CouchError: see `router.couch.errors`.
        """
        feed = OpenFeed(self.timeout)
        address = self.nodes.choose()
        self.nodes.register(feed.connections)
        resource = self._open_resources(feed.connections)[address]
        with self.gate.request(self.timeout), self._judged(address):
            answer = _translated(address, lambda: resource.get(path, **params))
        feed.attach(answer[2])
        return feed

    def _ask_membership(self) -> Membership:
        """Return what asks a node how many of its cluster's nodes it hears; it outlives this client."""
        parts, gate = urlsplit(self._url), self.gate
        user = parts.netloc.rpartition("@")[0]
        clients: dict[str, CouchClient] = {}

        def ask(address: str) -> tuple[int, int] | None:
            if address not in clients:
                netloc = "@".join(filter(None, (user, urlsplit(address).netloc)))
                url = urlunsplit(parts._replace(netloc=netloc))
                clients[address] = CouchClient(url, timeout=PROBE_TIMEOUT, gate=gate)
            try:
                answer = clients[address].request("GET", ["_membership"])
                return len(answer["all_nodes"]), len(answer["cluster_nodes"])
            except (CouchError, KeyError, TypeError):
                return None  # not known: an old CouchDB, a user without the right, or a node that died just now

        return ask

    def _send_to(self, address: str, method: str, path: list[str], body: Any, params: Mapping[str, Any]) -> Response:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        send = self._resources[address]._request  # noqa: SLF001 - the public ones decode before an error can be told
        status, answered, data = _translated(address, lambda: send(method, path, body=body, headers=headers, **params))
        raw = _translated(address, lambda: data.read() if data is not None else b"{}")
        return Response(decode(raw), status, _seconds(answered.get("date")))

    @contextmanager
    def _judged(self, address: str) -> Iterator[None]:
        """Note that a node can't be reached, or does not answer."""
        try:
            yield
        except (ConnectFailed, ResponseLost) as problem:
            self.nodes.report_failure(address, str(problem))
            raise

    def _open_resources(self, connections: "_Connections") -> dict[str, couchdb.http.Resource]:
        """Return a resource for each node, all of one session."""
        session = couchdb.http.Session(timeout=self.timeout)
        session.connection_pool = connections
        session.cache = _NoCache()
        session.max_redirects = -1  # CouchDB sends nobody elsewhere, and the password goes to nobody else
        self.nodes.register(connections)
        made = {address: couchdb.http.Resource(address, session) for address in self.nodes.addresses}
        for resource in made.values():
            resource.credentials = self._credentials
        return made


class _Connections(couchdb.http.ConnectionPool):  # type: ignore[misc]  # the package is untyped
    """A pool that knows its connections in use, so that another thread can cut them."""

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        self._in_use: dict[str, weakref.WeakSet[Any]] = {}

    def get(self, url: str) -> Any:
        """Return a connection to the node of a URL.

        Raises:
            _ConnectError: there is none to be had; nothing was sent.
        """
        try:
            connection = super().get(url)
            if _is_dropped(connection):
                connection.close()
                connection.connect()
        except OSError as problem:
            raise _ConnectError(*problem.args) from problem
        with self.lock:
            self._in_use.setdefault(urlsplit(url).netloc, weakref.WeakSet()).add(connection)
        return connection

    def release(self, url: str, connection: Any) -> None:
        """Take a connection back."""
        with self.lock:
            self._in_use.get(urlsplit(url).netloc, weakref.WeakSet()).discard(connection)
        super().release(url, connection)

    def cut(self, address: str) -> None:
        """Cut the connections to a node that are in use, from any thread."""
        self._cut(urlsplit(address).netloc)

    def cut_all(self) -> None:
        """Cut every connection in use."""
        for netloc in list(self._in_use):
            self._cut(netloc)

    def _cut(self, netloc: str) -> None:
        with self.lock:
            doomed = list(self._in_use.get(netloc, ()))
        for connection in doomed:
            try:
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already


def _is_dropped(connection: Any) -> bool:
    """Whether a node hung up while its connection was idle: nothing sent there would be done."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


class _ConnectError(OSError):
    """No connection could be made."""


class OpenFeed:
    """A continuous feed: an iterator of lines that another thread may close."""

    def __init__(self, timeout: float) -> None:
        self.connections = _Connections(timeout)
        self._body: Any = None
        self.closed = False

    def attach(self, body: Any) -> None:
        """Take over the response whose lines are to be read."""
        if not hasattr(body, "resp"):
            raise BadResponseError("a feed was asked for and something else came back")
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
        self.connections.cut_all()


def decode(raw: bytes | str) -> Any:
    """JSON, or BadResponseError."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise BadResponseError(f"CouchDB answered something that isn't JSON: {problem}") from None


def _split(url: str) -> tuple[list[str], tuple[str, str] | None]:
    """Return the base URL of each node, without credentials, and the credentials."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + "/"
    hosts = parts.netloc.rpartition("@")[2].split(",")
    bare = [urlunsplit(parts._replace(netloc=host, path=path)) for host in hosts]
    if parts.username is None:
        return bare, None
    return bare, (unquote(parts.username), unquote(parts.password or ""))


def _seconds(date: str | None) -> float | None:
    """Return an HTTP date as Unix seconds."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _translated(address: str, act: Callable[[], Any]) -> Any:
    """Run one exchange; the package's errors and the socket's become ours."""
    try:
        return act()
    except (couchdb.http.Unauthorized, couchdb.http.Forbidden) as problem:
        raise _refusal(_reason(problem)) from None
    except couchdb.http.ResourceNotFound as problem:
        raise _not_found(address, problem) from None
    except (couchdb.http.ResourceConflict, couchdb.http.PreconditionFailed) as problem:
        raise ConflictError(_reason(problem)) from None
    except couchdb.http.ServerError as problem:
        raise _server_error(address, problem) from None
    except orjson.JSONDecodeError as problem:
        raise BadResponseError(f"{address} does not answer as CouchDB does: {problem}") from None
    except _ConnectError as problem:
        raise ConnectFailed(f"CouchDB at {address}: {_reason_of(problem)}") from None
    except (TimeoutError, OSError, HTTPException, ValueError, OverflowError, MemoryError) as problem:
        # ValueError: a socket cut in the middle of a chunk's size; the last two: a size beyond any number, any memory.
        raise ResponseLost(f"CouchDB at {address}: {_reason_of(problem)}") from None
    except (AttributeError, KeyError, TypeError, couchdb.http.RedirectLimit) as problem:
        # The package stumbles over error bodies that are not CouchDB's.
        raise BadResponseError(f"{address} does not answer as CouchDB does ({problem})") from None


def _not_found(address: str, problem: Exception) -> Exception:
    """A proxy's own 404 must not pass for a number, or a whole database, that is not there."""
    said = problem.args[0] if problem.args else None
    if isinstance(said, tuple) and said[0] == "not_found":
        return NotFoundError(_words(said))
    return BadResponseError(f"{address} answered 404, but not as CouchDB does: is something else listening there?")


def _refusal(reason: str) -> CouchRefused:
    if any(word in reason for word in _WRONG):
        return WrongPasswordError(reason)
    return CouchRefused(f"CouchDB refuses: {reason} (did-router needs a server admin's user)")


def _server_error(address: str, problem: Exception) -> Exception:
    status, said = (*problem.args[0], None)[:2] if problem.args else (0, None)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        reason = _words(said)
        return DocumentTooLargeError(f"CouchDB at {address} takes no document that large (max_document_size): {reason}")
    if status == 400:  # noqa: PLR2004 - Bad Request
        return BadResponseError(f"CouchDB at {address} refused the request: {_words(said)}")
    return CouchUnavailable(f"CouchDB at {address} answered {status}: {_words(said)}")


def _reason_of(problem: Exception) -> str:
    return str(problem) or type(problem).__name__


def _reason(problem: Exception) -> str:
    return _words(problem.args[0]) if problem.args else ""


def _words(said: Any) -> str:
    if isinstance(said, tuple | list):
        return str(said[-1])
    return str(said)


_WRONG = ("incorrect", "locked")
"""What CouchDB says of a wrong password, and of an account that too many of them have locked."""

Document = Mapping[str, Any]
