"""Workers that take a request and hang up."""

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from router.server.edge.edge import Edge


class HangingUpWorker(ABC):
    """Listens at a worker's socket, and hangs up after what `_take` reads of a connection.

    Args:
        socket_of: the socket to listen at, from the worker's path.
    """

    def __init__(self, edge: Edge, socket_of: Callable[[Path], Path] = lambda path: path) -> None:
        self.path = edge.new_socket("worker-0")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(socket_of(self.path)))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self._take(connection)

    @abstractmethod
    def _take(self, connection: socket.socket) -> None:
        """Read a request, and note it."""
