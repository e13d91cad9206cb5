"""The nodes of one CouchDB: tracks which of them answer, and chooses one for each request.

Several nodes are probed: each is asked for `/_up` twice a second, which CouchDB answers with 404 in maintenance mode.
A node that does not answer in time gets no requests, and the requests and feeds that wait for it are cut within two
seconds. The same holds for a node that is cut off: it hears half of its cluster or less, answers as if all were well,
and misses the writes at the other nodes.
A single node, or a load balancer, is never probed: there is no other node to use.
"""

import http.client
import itertools
import logging
import random
import threading
import time
import weakref
from collections.abc import Callable, Collection, Sequence
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

PROBE_INTERVAL = 0.5
"""Seconds between two requests for `/_up`."""
PROBE_TIMEOUT = 1.2
"""Seconds until a silent node counts as down."""


Membership = Callable[[str], tuple[int, int] | None]
"""Asks a node, by its address, how many nodes it hears, including itself, and how many exist; None where unknown."""


class Connections(Protocol):
    """Connections to nodes that can be cut."""

    def cut(self, address: str) -> None:
        """Cut every connection to a node that is in use, from any thread."""


class NodeChoice(Protocol):
    """Chooses the node for a request."""

    def choose(self, tried: Collection[str] = ()) -> str:
        """Return a node's address, if possible none of those tried for this request."""


class Nodes:
    """Chooses nodes in turn among those that answer. Threads and clients share it.

    Args:
        addresses: base URLs without credentials, such as http://127.0.0.1:5984/.
        membership: detects nodes that are cut off.
    """

    def __init__(self, addresses: Sequence[str], membership: Membership = lambda _: None) -> None:
        self.addresses = tuple(addresses)
        self.membership = membership
        self._down: dict[str, str] = {}
        # Processes and clients begin with different nodes.
        self._turns = itertools.count(random.SystemRandom().randrange(len(self.addresses)))
        self._watched: weakref.WeakSet[Connections] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._watching = False

    @property
    def are_several(self) -> bool:
        """Return whether there is more than one node."""
        return len(self.addresses) > 1

    def down(self) -> dict[str, str]:
        """Return the nodes that get no requests at present, with the reason."""
        return dict(self._down)

    def choose(self, tried: Collection[str] = ()) -> str:
        """Return the node for the next request: one that answers, if possible none of those tried.

        A node that is cut off is preferred to those that don't answer: with two of three nodes dead it is the only one
        left.
        """
        if not self.are_several:
            return self.addresses[0]
        self._watch()
        down = self._down
        left = [each for each in self.addresses if each not in tried] or list(self.addresses)
        cut_off = [each for each in left if down.get(each) == CUT_OFF]
        answering = [each for each in left if each not in down] or cut_off or left
        return answering[next(self._turns) % len(answering)]

    def report_failure(self, address: str, reason: str) -> None:
        """Give a node no further requests until it answers a probe."""
        if self.are_several:
            self._mark(address, reason)

    def register(self, connections: Connections) -> None:
        """Cut these connections when their node stops answering."""
        self._watched.add(connections)

    def _watch(self) -> None:
        """Start to probe the nodes at the first request: most commands end before the first probe."""
        if self._watching:
            return
        with self._lock:
            if self._watching:
                return
            self._watching = True
        # A BackgroundThread would keep this object alive. These threads end when nobody else refers to it.
        for address in self.addresses:
            name = f"couchdb node {urlsplit(address).netloc}"
            threading.Thread(target=_probe_forever, args=(weakref.ref(self), address), name=name, daemon=True).start()

    def _take_probe(self, address: str, reason: str | None) -> None:
        self._mark(address, reason or "")
        # A node in maintenance mode still answers open requests; a silent one may never. Where all are silent, they are
        # slow rather than down, and cutting their requests would only repeat the load.
        if reason not in (None, MAINTENANCE) and len(self._down) < len(self.addresses):
            for connections in list(self._watched):
                connections.cut(address)

    def _mark(self, address: str, reason: str) -> None:
        with self._lock:
            known = self._down.get(address)
            down = {each: why for each, why in self._down.items() if each != address}
            self._down = down | ({address: reason} if reason else {})
        if reason and known is None:
            log.warning("CouchDB node gets no requests: node=%s reason=%s", address, reason)
        if not reason and known is not None:
            log.info("CouchDB node answers again: node=%s", address)


class HeldNode:
    """Chooses the same node for every request until it fails: what is read and then written is one node's view.

    A node reads the copies that it reaches and writes to the same ones. Another node may reach others.
    """

    def __init__(self, nodes: NodeChoice) -> None:
        self._nodes = nodes
        self._held = ""

    def choose(self, tried: Collection[str] = ()) -> str:
        """Return the node that is held; where it was tried already, another one, which is held from now on."""
        if not self._held or self._held in tried:
            self._held = self._nodes.choose(tried)
        return self._held


def _probe_forever(watched: "weakref.ref[Nodes]", address: str) -> None:
    """Probe a node until its `Nodes` is no longer in use."""
    while True:
        time.sleep(PROBE_INTERVAL)
        if watched() is None:
            return
        reason = probe(address)
        nodes = watched()
        if nodes is not None and reason is None and is_cut_off(nodes.membership(address)):
            reason = CUT_OFF
        if nodes is not None:
            nodes._take_probe(address, reason)  # noqa: SLF001 - its own thread
        del nodes


MAINTENANCE = "it is in maintenance mode"
CUT_OFF = "it is cut off: it hears half of the cluster's nodes or fewer"


def is_cut_off(membership: tuple[int, int] | None) -> bool:
    """Return whether a node hears no majority of its cluster."""
    if membership is None:
        return False
    heard, members = membership
    return 0 < heard <= members // 2


def probe(address: str, timeout: float = PROBE_TIMEOUT) -> str | None:
    """Ask a node for `/_up`, without credentials.

    Returns:
        None where it takes requests, else the reason why it does not.
    """
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/_up")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as problem:
        return str(problem) or type(problem).__name__
    finally:
        connection.close()
    if status == HTTPStatus.NOT_FOUND:
        return MAINTENANCE
    # 401 where every path needs a user: the node answers all the same.
    return f"/_up answers {status}" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
