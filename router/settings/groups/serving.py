"""Settings of the service: addresses, processes, connections, TLS, tokens and the edge."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from router.runtime.addresses import parse_address
from router.settings.groups.group import Group


class ServerSettings(Group):
    """Addresses and processes of `serve`."""

    TITLE: ClassVar = "Addresses and processes"

    listen: str = Field(default="127.0.0.1:50051", description="address of the gRPC service")
    admin_listen: str = Field(default="127.0.0.1:9050", description="address of /metrics, /healthz, /readyz, /state")
    workers: int = Field(
        default=0,
        ge=0,
        description="worker processes that share the address; 0: one for each CPU that the process may use (its "
        "affinity, and the CPU limit of its cgroup)",
    )
    transport: Literal["auto", "edge", "native", "grpcio"] = Field(
        default="auto",
        description="transport that accepts calls; auto: native where only this machine reaches `listen` and TLS is "
        "off, else edge (`serve` runs Envoy before its workers) where Envoy is installed, else grpcio; the page 'The "
        "edge' compares them",
    )
    cpu_affinity: bool | Literal["auto"] = Field(
        default="auto",
        description="keep the lookup threads of a worker on one core (native transport, Linux): a quarter less CPU "
        "time a call; auto: on a core that no other did-router of the machine claims; in a container only where its "
        "CPU limit is its whole cpuset; true: there too; false: off, where another program owns single cores",
    )
    drain_delay: float = Field(
        default=2.0,
        ge=0,
        description="seconds after SIGTERM during which `serve` reports that it is not ready and still answers, so "
        "that load balancers notice",
    )
    shutdown_grace_period: float = Field(
        default=10.0, ge=0, description="seconds for running calls to finish after SIGTERM"
    )

    @field_validator("listen", "admin_listen")
    @classmethod
    def _address(cls, address: str) -> str:
        return str(parse_address(address))


class HTTPSettings(Group):
    """The HTTP API of `serve`."""

    TITLE: ClassVar = "HTTP"
    FLAT_PREFIX: ClassVar = "http_"

    listen: str = Field(
        default="127.0.0.1:8080",
        description="address of the HTTP API, without TLS (behind the edge it is on the edge's address too); empty: "
        "none",
    )
    timeout: float = Field(
        default=0.2, gt=0, description="seconds for a lookup over HTTP whose request names no deadline of its own"
    )
    max_connections: int = Field(
        default=2000,
        ge=1,
        description="open connections of a worker at `http_listen`; one more is closed at once",
    )

    @field_validator("listen")
    @classmethod
    def _address(cls, address: str) -> str:
        return str(parse_address(address, "127.0.0.1:8080")) if address else ""


class ConnectionSettings(Group):
    """Bounds of the connections that callers open."""

    TITLE: ClassVar = "Connections"

    max_connections: int = Field(
        default=1000, ge=1, description="open connections of the edge; one more is closed at once"
    )
    max_connection_rate: int = Field(
        default=600,
        ge=0,
        description="new connections a second that the edge accepts from all callers together; 0: no limit",
    )
    max_concurrent_streams: int = Field(default=100, ge=1, description="open calls on one connection")
    idle_timeout: float = Field(
        default=900.0,
        gt=0,
        description="seconds without an open call after which a connection is asked to close (edge and grpcio)",
    )


class EdgeSettings(Group):
    """Envoy before the workers."""

    TITLE: ClassVar = "The edge"
    FLAT_PREFIX: ClassVar = "edge_"

    directory: Path | None = Field(
        default=None,
        description="directory of the workers' sockets and of Envoy's files, made with mode 0700; none: a temporary "
        "one for each start",
    )
    external: bool = Field(
        default=False,
        description="Envoy is run from elsewhere, with the output of `did-router edge-config`; needs `edge_directory`",
    )
    threads: int = Field(default=0, ge=0, description="Envoy's threads; 0: as many as workers")

    @model_validator(mode="after")
    def _has_directory(self) -> Self:
        if self.external and self.directory is None:
            raise ValueError("edge_external wants edge_directory beside it: the directory that your Envoy reads")
        return self


class TLSSettings(Group):
    """Certificates of the service and of its callers."""

    TITLE: ClassVar = "TLS"
    FLAT_PREFIX: ClassVar = "tls_"

    certificate: Path | None = Field(
        default=None,
        description="PEM file: the service's certificate, then its intermediates; read again when it changes",
    )
    key: Path | None = Field(default=None, description="PEM file: the certificate's private key")
    client_ca: Path | None = Field(
        default=None, description="PEM file: the authorities of clients' certificates; a client without one is refused"
    )

    @property
    def enabled(self) -> bool:
        """Return whether the gRPC service speaks TLS."""
        return self.certificate is not None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("tls_certificate and tls_key belong together: give both")
        if self.client_ca and not self.enabled:
            raise ValueError("tls_client_ca wants tls_certificate and tls_key beside it")
        return self


class AuthSettings(Group):
    """Tokens of callers."""

    TITLE: ClassVar = "Authentication"

    token_file: Path | None = Field(
        default=None,
        description="lines of `name sha256 scope[,scope] [account=ID]`: the tokens, and the account that each is bound "
        "to; read again when it changes",
    )
    insecure: bool = Field(
        default=False, description="listen on addresses that other machines reach, without TLS or tokens"
    )
