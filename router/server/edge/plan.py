"""The inputs of Envoy's configuration: plain values, read from the settings once."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from router.runtime.addresses import parse_address
from router.settings import Settings, SettingsError

TYPES = "type.googleapis.com/envoy."

Json = dict[str, Any]
"""A part of Envoy's configuration, in protobuf's JSON form."""


@dataclass(frozen=True, slots=True)
class EdgePlan:
    """The inputs of the configuration.

    Attributes:
        host, port: the address that callers connect to.
        directory: contains the workers' sockets, the files that Envoy rereads, and its admin socket.
        tls, client_certificates: callers use TLS; callers must present a certificate.
        max_connections: open connections; one more is closed at once.
        max_connection_rate: new connections a second; 0 for no limit.
        max_concurrent_streams: open calls of one connection.
        max_queued_calls: open calls of all connections, for each cluster.
        idle_timeout: seconds that a connection may stay without an open call.
        call_timeout: maximum seconds of a Lookup, LookupBatch or Explain, whatever the caller's deadline.
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
            SettingsError: `listen` holds a host name or no port: Envoy needs both as numbers.
        """
        address = parse_address(settings.server.listen)
        if not (_is_ip(address.host) and address.port):
            raise SettingsError(
                f"setting 'listen': {settings.server.listen}: give an IP address and a port, as 0.0.0.0:50051"
            )
        return cls(
            host=address.host,
            port=address.port,
            directory=directory,
            tls=settings.tls.enabled,
            client_certificates=settings.tls.client_ca is not None,
            max_connections=settings.connections.max_connections,
            max_connection_rate=settings.connections.max_connection_rate,
            max_concurrent_streams=settings.connections.max_concurrent_streams,
            max_queued_calls=settings.lookup.max_queued_calls,
            idle_timeout=settings.connections.idle_timeout,
            call_timeout=settings.lookup.timeout + _UPLOAD_TIME,
        )

    @property
    def admin_socket(self) -> Path:
        """Unix socket of Envoy's admin interface, for the supervisor only."""
        return self.directory / "envoy-admin.sock"

    @property
    def endpoints(self) -> Path:
        """The file with the workers in service."""
        return self.directory / "workers.json"

    @property
    def http_endpoints(self) -> Path:
        """The file that names where the workers in service answer HTTP."""
        return self.directory / "workers-http.json"

    @property
    def pressure(self) -> Path:
        """The file with the drain pressure."""
        return self.directory / "drain"

    @property
    def certificate(self) -> Path:
        """The file with the certificate and its key."""
        return self.directory / "certificate.json"

    @property
    def client_ca(self) -> Path:
        """The file with the CAs of client certificates."""
        return self.directory / "client-ca.json"


_UPLOAD_TIME = 3.0
"""Seconds for the upload of a request of one megabyte, beyond the time of the lookup."""


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def seconds(value: float) -> str:
    """Format a duration in protobuf's JSON form."""
    return f"{value:.3f}".rstrip("0").rstrip(".") + "s"


def file_source(path: Path) -> Json:
    """Return the source of a resource in a file; Envoy rereads it when another file is renamed over it."""
    watched = {"path": str(path), "watched_directory": {"path": str(path.parent)}}
    return {"resource_api_version": "V3", "path_config_source": watched}
