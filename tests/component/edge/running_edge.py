"""An edge without workers, looked after as the supervisor does."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from router.server.auth.tls_files import open_certificates
from router.server.edge.edge import Edge
from router.server.edge.process import find_envoy
from router.settings import Settings
from tests.integration.certificates import CertAuthority
from tests.support.waiting import eventually


class RunningEdge:
    """An edge without workers that is looked after as the supervisor does."""

    def __init__(self, *, threads: int = 1, **settings: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        wanted = Settings.load(None, listen=f"127.0.0.1:{self.port}", **settings)
        self.edge = Edge(wanted, find_envoy(), open_certificates(wanted), threads=threads)
        self.edge.start()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_after)
        self._thread.start()
        eventually(lambda: not self.edge.problem())

    def _look_after(self) -> None:
        while not self._stop.wait(0.05):
            self.edge.poll()

    def stop_looking_after(self) -> None:
        self._stop.set()
        self._thread.join()

    def end(self) -> None:
        self.stop_looking_after()
        self.edge.drain(0)
        self.edge.close()

    def lets_in(self, authority: CertAuthority, client: tuple[Path, Path] | None = None) -> bool:
        """Return whether a caller gets as far as to learn that there is no worker."""
        with authority.channel(self.port, client) as channel:
            problem = refused(channel)
            assert problem.code() is grpc.StatusCode.UNAVAILABLE
            return "no healthy upstream" in problem.details()


def refused(channel: Any) -> Any:
    """Return the status of a call that no worker is there for."""
    return channel.unary_unary("/router.v1.InboundRouter/Lookup").future(b"", timeout=5).exception()


Start = Callable[..., RunningEdge]
