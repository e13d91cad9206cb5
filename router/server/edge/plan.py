"""What Envoy's configuration is made of: plain values, read from the settings once."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from router.settings import Settings, SettingsError

TYPES = "type.googleapis.com/envoy."

Json = dict[str, Any]
"""A part of Envoy's configuration, as protobuf's JSON form has it."""


@dataclass(frozen=True, slots=True)
class EdgePlan:
    """The inputs of the configuration.

    Attributes:
        host, port: the address that callers reach.
        directory: holds the workers' sockets, the files that Envoy reads again, and its admin socket.
        tls, client_certificates: whether callers speak TLS, and whether they have to show a certificate.
        max_connections: open at a time; one more is closed at once.
        max_connection_rate: new connections a second; 0 for any number.
        max_concurrent_streams: calls open on one connection.
        max_queued_calls: calls open in all, of each kind of route.
        idle_timeout: seconds that a connection may stay without an open call.
        call_timeout: seconds of a Lookup, LookupBatch or Explain at most, whatever the caller allows.
    """

    host: str
    port: int
    directory: Path
    tls: bool
    client_certificates: bool
    max_connections: int
    max_connection_rate: int
    max_concurrent_streams: int
    max_queued_calls: int
    idle_timeout: float
    call_timeout: float

    @classmethod
    def from_settings(cls, settings: Settings, directory: Path) -> Self:
        """Read the settings.

        Raises:
            SettingsError: `listen` names a host, or no port: Envoy wants both as numbers.
        """
        host, _, port = settings.server.listen.rpartition(":")
        if not (_is_ip(host.strip("[]")) and int(port)):
            raise SettingsError(
                f"setting 'listen': {settings.server.listen}: give an IP address and a port, as 0.0.0.0:50051"
            )
        return cls(
            host=host.strip("[]"),
            port=int(port),
            directory=directory,
            tls=settings.tls.enabled,
            client_certificates=settings.tls.client_ca is not None,
            max_connections=settings.connections.max_connections,
            max_connection_rate=settings.connections.max_connection_rate,
            max_concurrent_streams=settings.connections.max_concurrent_streams,
            max_queued_calls=settings.lookup.max_queued_calls,
            idle_timeout=settings.connections.idle_timeout,
            call_timeout=settings.lookup.timeout + _UPLOAD,
        )

    @property
    def admin_socket(self) -> Path:
        """Where Envoy answers the supervisor alone."""
        return self.directory / "envoy-admin.sock"

    @property
    def endpoints(self) -> Path:
        """The file that names the workers in service."""
        return self.directory / "workers.json"

    @property
    def pressure(self) -> Path:
        """The file that says whether callers are to leave."""
        return self.directory / "drain"

    @property
    def certificate(self) -> Path:
        """The file with the certificate and its key."""
        return self.directory / "certificate.json"

    @property
    def client_ca(self) -> Path:
        """The file with the authorities that sign clients' certificates."""
        return self.directory / "client-ca.json"


_UPLOAD = 3.0
"""Seconds for a request of a megabyte to arrive, beyond the time for its answer."""


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def seconds(value: float) -> str:
    """Format a duration as protobuf's JSON form has it."""
    return f"{value:.3f}".rstrip("0").rstrip(".") + "s"


def file_source(path: Path) -> Json:
    """Describe a file that Envoy reads again when another one is renamed over it."""
    watched = {"path": str(path), "watched_directory": {"path": str(path.parent)}}
    return {"resource_api_version": "V3", "path_config_source": watched}
