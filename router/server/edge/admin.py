"""A client of Envoy's admin interface, on a Unix socket that only this user can open."""

import contextlib
import http.client
import socket
from http import HTTPStatus
from pathlib import Path

import orjson

_TIMEOUT = 1.5
"""Seconds; less than the admin pages wait for Envoy, so that they get the reason."""
_SECRETS_PATTERN = "^sds[.].*[.]update_success$"
_REJECTED_PATTERN = "^sds[.].*[.]update_rejected$"


class EnvoyAdmin:
    """Sends requests to a running Envoy, each on its own connection."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_live(self) -> bool:
        """Return whether Envoy serves."""
        try:
            return self._request("GET", "/ready")[0] == HTTPStatus.OK
        except OSError:
            return False

    def prometheus(self) -> bytes:
        """Return all metrics in Prometheus' text format; empty while Envoy does not respond."""
        try:
            status, body = self._request("GET", "/stats/prometheus")
        except OSError:
            return b""
        return body if status == HTTPStatus.OK else b""

    def statistics(self, pattern: str) -> dict[str, int]:
        """Return the counters and gauges whose names match.

        Raises:
            OSError: Envoy does not respond.
        """
        _, body = self._request("GET", f"/stats?format=json&type=All&filter={pattern}")
        return {each["name"]: each["value"] for each in orjson.loads(body)["stats"] if "name" in each}

    def refuses_secrets(self) -> bool:
        """Return whether Envoy has accepted no content of a certificate's or CAs' file, and so closes each connection.

        Raises:
            OSError: Envoy does not respond.
        """
        return not all(self.statistics(_SECRETS_PATTERN).values())

    def rejected_secrets(self) -> int:
        """Return how often Envoy refused the content of a certificate's or CAs' file, and kept the previous one.

        Raises:
            OSError: Envoy does not respond.
        """
        return sum(self.statistics(_REJECTED_PATTERN).values())

    def drain(self) -> None:
        """Stop listening, and ask callers to close their connections.

        Raises:
            OSError: Envoy does not respond.
        """
        self._request("POST", "/drain_listeners?graceful")  # connected callers
        self._request("POST", "/drain_listeners")  # new callers

    def has_endpoint(self, endpoint: Path) -> bool:
        """Return whether calls may go to this endpoint; False where Envoy does not respond."""
        with contextlib.suppress(OSError):
            return str(endpoint) in self._request("GET", "/clusters")[1].decode()
        return False

    def _request(self, method: str, path: str) -> tuple[int, bytes]:
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
