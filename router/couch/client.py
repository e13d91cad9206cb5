"""A client of one CouchDB, a single node or several of a cluster, on top of the `couchdb` package.

The package is synchronous. A session without a timeout would block its caller for ever on a stopped server.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import couchdb.http
import couchdb.json
import orjson

from router.couch.connections import NoCache, NodeConnections
from router.couch.credentials import CredentialGate
from router.couch.error_translation import decode, translate_errors
from router.couch.errors import (
    ConflictError,
    ConnectFailed,
    CouchError,
    CouchUnavailable,
    DocumentTooLargeError,
    NotFoundError,
    ResponseLost,
)
from router.couch.nodes import PROBE_TIMEOUT, Membership, NodeChoice, Nodes
from router.couch.open_feed import OpenFeed
from router.couch.operations import operation_of
from router.runtime.request_durations import FAILED, OK, RequestDurations

couchdb.json.use(decode=orjson.loads, encode=lambda value: orjson.dumps(value).decode())

Document = Mapping[str, Any]

_ANSWERS = (NotFoundError, ConflictError, DocumentTooLargeError)
"""Errors that answer a request: it counts as one that succeeded."""


@dataclass(frozen=True, slots=True)
class Response:
    """A decoded response.

    Attributes:
        status: HTTP status; 202 where fewer copies took a write than CouchDB wanted.
        date: the server's own clock when it answered, in whole Unix seconds; None without that header.
    """

    value: Any
    status: int
    date: float | None


class CouchClient:
    """Sends requests to one CouchDB with one timeout. Threads may share it.

    Args:
        url: with credentials, such as http://admin:secret@127.0.0.1:5984; several nodes are separated by commas.
        timeout: seconds that a node may stay silent.
        gate, nodes: shared by all clients of one CouchDB, so that all know of refused passwords and silent nodes.
        durations: counts the requests of all clients of one CouchDB.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        gate: CredentialGate | None = None,
        nodes: Nodes | None = None,
        durations: RequestDurations | None = None,
    ) -> None:
        self._url = url
        self.durations = durations or RequestDurations()
        addresses, self._credentials = _split(url)
        self.gate = gate or CredentialGate(",".join(addresses), self._credentials)
        self.nodes = nodes or Nodes(addresses, self._ask_membership())
        self._choice: NodeChoice = self.nodes
        self.timeout = timeout
        self._connections = NodeConnections(timeout)
        self._resources = self._open_resources(self._connections)

    def with_timeout(self, timeout: float) -> "CouchClient":
        """Return a client of the same CouchDB with another timeout."""
        return CouchClient(self._url, timeout=timeout, gate=self.gate, nodes=self.nodes, durations=self.durations)

    def through(self, choice: NodeChoice) -> "CouchClient":
        """Return this client with another choice of nodes; both share their connections."""
        made = copy.copy(self)
        made._choice = choice  # noqa: SLF001 - its own class
        return made

    def each_node(self) -> "dict[str, CouchClient]":
        """Return a client for every single node, by its address, to ask nodes about themselves."""
        url_of = _node_url(self._url)
        return {
            address: CouchClient(url_of(address), timeout=self.timeout, gate=self.gate)
            for address in self.nodes.addresses
        }

    def request(self, method: str, path: list[str], body: Any = None, **params: Any) -> Any:
        """Send a request and return the decoded JSON; see `send`."""
        return self.send(method, path, body, **params).value

    def read(self, path: list[str], body: Any, **params: Any) -> Any:
        """Send a POST that changes nothing, so that it may be repeated at another node."""
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
        """Send a request and decode the response.

        A request goes on to another node where a node can't be reached. A read goes on also where a node stays
        silent or answers with an error of its own; a write does not, since it may have taken effect.

        Args:
            method: GET, PUT, POST or DELETE.
            path: segments; each is encoded here, once.
            body: anything that JSON can hold.
            is_read: the request changes nothing (no GET does).
            params: the query; values that CouchDB wants as JSON are passed encoded.

        Raises:
            CouchError: see `router.couch.errors`.
        """
        end = time.monotonic() + self.timeout
        tried: list[str] = []
        while True:
            address = self._choice.choose(tried)
            tried.append(address)
            try:
                with self.gate.request(self.timeout), self._reporting_failures(address):
                    return self._send_counted(address, method, path, body, params)
            except CouchUnavailable as problem:
                repeatable = is_read or method == "GET" or isinstance(problem, ConnectFailed)
                if not repeatable or len(tried) >= len(self.nodes.addresses) or time.monotonic() > end:
                    raise

    def open_feed(self, path: list[str], **params: Any) -> OpenFeed:
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
        with self.gate.request(self.timeout), self._reporting_failures(address):
            answer = translate_errors(address, lambda: resource.get(path, **params))
        feed.attach(answer[2])
        return feed

    def _ask_membership(self) -> Membership:
        """Return a function that asks a node how many of its cluster's nodes it hears; it outlives this client."""
        clients: dict[str, CouchClient] = {}
        url_of, gate = _node_url(self._url), self.gate

        def ask(address: str) -> tuple[int, int] | None:
            if address not in clients:
                clients[address] = CouchClient(url_of(address), timeout=PROBE_TIMEOUT, gate=gate)
            try:
                answer = clients[address].request("GET", ["_membership"])
                return len(answer["all_nodes"]), len(answer["cluster_nodes"])
            except (CouchError, KeyError, TypeError):
                return None  # unknown: an old CouchDB, a user without the right, or a node that just died

        return ask

    def _send_counted(
        self, address: str, method: str, path: list[str], body: Any, params: Mapping[str, Any]
    ) -> Response:
        began = time.perf_counter()
        outcome = FAILED
        try:
            response = self._send_to(address, method, path, body, params)
            outcome = OK
        except _ANSWERS:
            outcome = OK
            raise
        finally:
            self.durations.end(operation_of(method, path), began, outcome)
        return response

    def _send_to(self, address: str, method: str, path: list[str], body: Any, params: Mapping[str, Any]) -> Response:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        # The public methods decode before an error is known to be one.
        send = self._resources[address]._request  # noqa: SLF001
        status, received, data = translate_errors(
            address, lambda: send(method, path, body=body, headers=headers, **params)
        )
        raw = translate_errors(address, lambda: data.read() if data is not None else b"{}")
        return Response(decode(raw), status, _seconds(received.get("date")))

    @contextmanager
    def _reporting_failures(self, address: str) -> Iterator[None]:
        """Report a node that can't be reached or does not answer; a shorter silence than a probe's proves nothing."""
        try:
            yield
        except (ConnectFailed, ResponseLost) as problem:
            if isinstance(problem, ConnectFailed) or self.timeout >= PROBE_TIMEOUT:
                self.nodes.report_failure(address, str(problem))
            raise

    def _open_resources(self, connections: NodeConnections) -> dict[str, couchdb.http.Resource]:
        """Return a resource for each node, all of one session."""
        session = couchdb.http.Session(timeout=self.timeout)
        session.connection_pool = connections
        session.cache = NoCache()
        session.max_redirects = -1  # CouchDB redirects nowhere, and the password goes to no other server
        self.nodes.register(connections)
        resources = {address: couchdb.http.Resource(address, session) for address in self.nodes.addresses}
        for resource in resources.values():
            resource.credentials = self._credentials
        return resources


def _split(url: str) -> tuple[list[str], tuple[str, str] | None]:
    """Return the base URL of each node, without credentials, and the credentials."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + "/"
    hosts = parts.netloc.rpartition("@")[2].split(",")
    bare = [urlunsplit(parts._replace(netloc=host, path=path)) for host in hosts]
    if parts.username is None:
        return bare, None
    return bare, (unquote(parts.username), unquote(parts.password or ""))


def _node_url(url: str) -> Callable[[str], str]:
    """Return a function that makes a URL with these credentials from the address of one node."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]

    def build(address: str) -> str:
        netloc = "@".join(filter(None, (user, urlsplit(address).netloc)))
        return urlunsplit(parts._replace(netloc=netloc))

    return build


def _seconds(date: str | None) -> float | None:
    """Return an HTTP date as Unix seconds."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
