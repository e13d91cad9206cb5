"""Envoy's admin interface, on a Unix socket that only this user can reach."""

import contextlib
import http.client
import socket
from http import HTTPStatus
from pathlib import Path

import orjson

_TIMEOUT = 2.0


class EnvoyAdmin:
    """Asks a running Envoy; each question has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_live(self) -> bool:
        """Whether it serves."""
        try:
            return self._ask("GET", "/ready")[0] == HTTPStatus.OK
        except OSError:
            return False

    def prometheus(self) -> bytes:
        """All figures in Prometheus' text format; empty while Envoy does not answer."""
        try:
            status, body = self._ask("GET", "/stats/prometheus")
        except OSError:
            return b""
        return body if status == HTTPStatus.OK else b""

    def figures(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match.

        Raises:
            OSError: Envoy does not answer.
        """
        _, body = self._ask("GET", f"/stats?format=json&type=All&filter={pattern}")
        return {each["name"]: each["value"] for each in orjson.loads(body)["stats"] if "name" in each}

    def drain(self) -> None:
        """Stop to listen, and ask callers to leave.

        Raises:
            OSError: Envoy does not answer.
        """
        self._ask("POST", "/drain_listeners?graceful")  # the callers that are connected
        self._ask("POST", "/drain_listeners")  # new ones

    def knows(self, endpoint: Path) -> bool:
        """Whether calls may go to this endpoint; False where Envoy does not answer."""
        with contextlib.suppress(OSError):
            return str(endpoint) in self._ask("GET", "/clusters")[1].decode()
        return False

    def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        connection = _UnixConnection(self._path)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as problem:
            raise OSError(f"Envoy's admin interface: {type(problem).__name__}") from None
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("envoy", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
