"""A link to a store that answers only so many bytes a second, over all connections: a database at its limit."""

import contextlib
import socket
import threading
import time

_PIECE = 4096


class SlowLink:
    """Listens on a port of its own and passes on to one server.

    Args:
        port: of the server on loopback.
        rate: bytes of answers a second.
    """

    def __init__(self, port: int, rate: float) -> None:
        self._to = port
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections; those that stand end with either side."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._to))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, target, limited in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=(source, target, limited), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, limited: bool) -> None:  # noqa: FBT001 - a thread's argument
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                if limited:
                    time.sleep(self._turn(len(piece)))
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _turn(self, size: int) -> float:
        """Seconds until so many bytes have had their turn."""
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self._rate
            return self._free_at - now
