"""A TCP proxy that does to a connection what networks do to it."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Sequence
from enum import StrEnum

from tests.faults import lies
from tests.faults.lies import Lie

_POLL_INTERVAL = 0.02
"""Seconds between looks whether a trouble is over."""
_DRIP, _DRIP_INTERVAL = 24, 0.01
"""Bytes that trickle through at a time, and the seconds between."""
_LONGEST_DELAY = 0.4


class Trouble(StrEnum):
    """Trouble of a link, for all that passes."""

    NONE = "none"
    REFUSE = "refuse"
    """Connections are closed and new ones are refused."""
    CUT = "cut"
    """Half of a reply arrives, then the connection ends."""
    DELAY = "delay"
    """Each piece takes up to 0.4 s longer."""
    DRIP = "drip"
    """Replies trickle."""
    HALF_OPEN = "half-open"
    """Requests arrive, replies don't; nobody hangs up before the trouble is over."""
    DROP = "drop"
    """No byte arrives in either direction; neither side hangs up before the trouble is over."""
    FORGET = "forgotten"
    """Connections that stand pass nothing any more, ever, and nobody hangs up on either end; new ones pass."""
    GARBAGE = "garbage"
    """A request for changes gets something that is not JSON."""
    ERROR = "500"
    """A request for changes gets an error."""
    TOO_MANY_REQUESTS = "429"
    """A request for changes gets a request to ask less."""
    MID_LINE = "mid-line"
    """Changes end in the middle of a line."""


_LIES = {
    Trouble.GARBAGE: (b"200 OK", b'<html>{"results":[{"seq"\xff\xfe\n'),
    Trouble.ERROR: (b"500 Internal Server Error", b'{"error":"timeout","reason":"The request could not be processed"}'),
    Trouble.TOO_MANY_REQUESTS: (b"429 Too Many Requests", b'{"error":"too_many_requests","reason":"slow down"}'),
}


class Link:
    """Listens on a port of its own and passes on to one server, for better or worse.

    Args:
        host, port: of the server.
        seed: of the delays.
    """

    def __init__(self, host: str, port: int, seed: int = 0) -> None:
        self._to = (host, port)
        self._random = random.Random(seed)
        self._trouble: Trouble | Lie = Trouble.NONE
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._forgotten: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self._open = True
        self._listen()

    @property
    def ports(self) -> list[int]:
        """The port, as `LinkGroup` has several."""
        return [self.port]

    def suffer(self, trouble: Trouble | Lie) -> None:
        """Have it happen to every connection, those that stand and new ones, until `heal`."""
        self._trouble = trouble
        if trouble is Trouble.FORGET:
            with self._lock:
                self._forgotten |= self._connections
        if trouble is Trouble.REFUSE:
            _hang_up(self._listener)
        if trouble is Trouble.REFUSE or isinstance(trouble, Lie):
            self._hang_up_all()  # a feed that stands was begun honestly

    def heal(self) -> None:
        """Let everything pass again; connections that lost something end, but for forgotten ones."""
        self._trouble = Trouble.NONE
        if self._listener.fileno() < 0 and self._open:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
            self._listen()

    def close(self) -> None:
        """End."""
        self._open = False
        self.heal()
        _hang_up(self._listener)
        self._hang_up_all()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _hang_up_all(self) -> None:
        with self._lock:
            doomed = list(self._connections)
        for each in doomed:
            _hang_up(each)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._to, timeout=5)
        except OSError:
            _hang_up(client)
            return
        server.settimeout(None)
        ends = (client, server)
        for end in ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._connections.update(ends)
        back = threading.Thread(target=self._pump, args=(server, client), kwargs={"reply": True}, daemon=True)
        back.start()
        self._pump(client, server, reply=False)
        back.join()
        with self._lock:
            self._connections.difference_update(ends)
            self._forgotten.difference_update(ends)
        for end in ends:
            end.close()

    def _pump(self, source: socket.socket, sink: socket.socket, *, reply: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if source in self._forgotten:
                    continue
                if not (self._reply(data, sink) if reply else self._request(data, source, sink)):
                    break
        # Where a connection is forgotten, nobody hears that the other end hung up.
        for end in (source,) if source in self._forgotten else (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _request(self, data: bytes, client: socket.socket, server: socket.socket) -> bool:
        """Pass a request on; False when the connection is to end."""
        trouble = self._trouble
        if trouble is Trouble.DELAY:
            time.sleep(self._random.uniform(0, _LONGEST_DELAY))
        elif trouble is Trouble.DROP:
            self._wait_out(trouble)
            return False
        elif isinstance(trouble, Trouble) and trouble in _LIES and b"/_changes" in data.partition(b"\r\n")[0]:
            status, body = _LIES[trouble]
            head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
            client.sendall(head + body)
            return False
        elif isinstance(trouble, Lie) and lies.is_reported_to(trouble, data):
            lies.tell(trouble, data, client, self._to, self._random, lambda: self._trouble is trouble)
            return False
        server.sendall(data)
        return True

    def _reply(self, data: bytes, client: socket.socket) -> bool:
        """Pass a reply on; False when the connection is to end."""
        trouble = self._trouble
        if trouble is Trouble.DELAY:
            time.sleep(self._random.uniform(0, _LONGEST_DELAY))
        elif trouble is Trouble.CUT:
            client.sendall(data[: len(data) // 2])
            return False
        elif trouble in {Trouble.DROP, Trouble.HALF_OPEN}:
            self._wait_out(trouble)
            return False
        elif trouble is Trouble.DRIP:
            return self._drip(data, client)
        elif trouble is Trouble.MID_LINE and b'"seq":' in data:
            client.sendall(data[: data.rindex(b'"seq":') + 9])
            return False
        client.sendall(data)
        return True

    def _drip(self, data: bytes, client: socket.socket) -> bool:
        start = 0
        while start < len(data) and self._trouble is Trouble.DRIP:
            client.sendall(data[start : start + _DRIP])
            start += _DRIP
            time.sleep(_DRIP_INTERVAL)
        client.sendall(data[start:])
        return True

    def _wait_out(self, trouble: Trouble | Lie) -> None:
        while self._trouble is trouble:
            time.sleep(_POLL_INTERVAL)


class LinkGroup:
    """A link to each of several servers; what happens to one happens to all.

    Attributes:
        ports: where each listens, in the order of the servers.
    """

    def __init__(self, servers: Sequence[tuple[str, int]], seed: int = 0) -> None:
        self._links = [Link(*server, seed) for server in servers]
        self.ports = [link.port for link in self._links]

    def suffer(self, trouble: Trouble | Lie) -> None:
        """Have it happen to every link."""
        for link in self._links:
            link.suffer(trouble)

    def heal(self) -> None:
        """Let everything pass again."""
        for link in self._links:
            link.heal()

    def close(self) -> None:
        """End."""
        for link in self._links:
            link.close()


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
