"""The server of one node of the imitated cluster: it can be frozen, and answers the requests that inject faults."""

import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from router.embedded.cluster.node import ClusterNode
from router.embedded.cluster.selection import Selection, Shared
from router.embedded.cluster.sequences import node_name
from router.embedded.couchdb.announcer import MAX_WRITE_DELAY, Announcer
from router.embedded.couchdb.authentication import Authenticator
from router.embedded.couchdb.databases import Databases
from router.embedded.couchdb.errors import ApiError, unauthorized
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.server import EmbeddedCouchDB
from router.embedded.couchdb.store import Store
from router.embedded.couchdb.wire import Request, Responder, Sender

CONTROL_PATH = "_imitation"
Control = Callable[[int, Request, Responder], None]
"""Answers a request under `CONTROL_PATH` that was sent to the node of that index."""


class FreezableConnection:
    """Sends a node's data while the node isn't frozen."""

    def __init__(self, connection: socket.socket, wait_while_frozen: Callable[[], None]) -> None:
        self.underlying = connection
        self._wait_while_frozen = wait_while_frozen

    def sendall(self, data: bytes, /) -> None:
        """Send all of `data`, once the node isn't frozen."""
        self._wait_while_frozen()
        self.underlying.sendall(data)


class Member(EmbeddedCouchDB):
    """One node's port.

    Args:
        index: of the node, from 0.
        shared: the cluster.
        uuid: the cluster's UUID, 32 hex digits.
        control: answers the requests that inject faults.
        max_write_delay: seconds that events of `_db_updates` are buffered; None for CouchDB's default.
    """

    def __init__(
        self,
        index: int,
        shared: Shared,
        uuid: str,
        control: Control,
        max_write_delay: float | None,
        port: int,
        directory: Path,
        credentials: tuple[str, str],
        lock_seconds: float,
    ) -> None:
        super().__init__(port, directory, *credentials, lock_seconds)
        self._index = index
        self._shared = shared
        self._uuid = uuid
        self._control = control
        self._write_delay = max_write_delay

    def _open(self, directory: Path, authenticator: Authenticator) -> Node:
        store = Store(directory)
        count = self._shared.network.count
        settings = {"cluster": {"q": "2", "n": str(count)}}
        delay = MAX_WRITE_DELAY
        if self._write_delay is not None:
            settings["global_changes"] = {"max_write_delay": str(round(1000 * self._write_delay))}
            delay = self._write_delay
        announcer = Announcer(delay, phase=delay * self._index / count)
        node = ClusterNode(
            uuid=self._uuid,
            store=store,
            databases=Databases(store, announcer.note),
            announcer=announcer,
            authenticator=authenticator,
            stopping=threading.Event(),
            name=node_name(self._index),
            settings=settings,
            index=self._index,
            shared=self._shared,
            selection=Selection(self._index, self._shared),
        )
        self._shared.nodes[self._index] = node
        self._shared.catalog.open(self._index, node.databases)
        self._shared.catalog.synchronise()
        announcer.start(node)
        return node

    def _respond(self, node: Node, request: Request, out: Responder) -> None:
        if request.parts[:1] == [CONTROL_PATH]:
            self._respond_to_control(node, request, out)
            return
        node.wait_while_frozen()
        super()._respond(node, request, out)

    def _respond_to_control(self, node: Node, request: Request, out: Responder) -> None:
        if isinstance(out.connection, FreezableConnection):
            out.connection = out.connection.underlying
        if not node.authenticator.authenticate(request.headers.get("authorization"), request.peer):
            raise unauthorized("You are not a server admin.")
        self._control(self._index, request, out)

    def _end_started_response(self, refusal: ApiError, out: Responder) -> bool:
        if refusal.status == HTTPStatus.NOT_FOUND:  # as CouchDB does: a second response in place of a chunk
            Responder(out.connection, None).error(refusal)
        return False

    def _outgoing(self, connection: socket.socket) -> Sender:
        return FreezableConnection(connection, lambda: self._shared.network.wait_while_frozen(self._index))
