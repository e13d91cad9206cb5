"""Settings of the console."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from router.runtime.addresses import parse_address
from router.settings.groups.group import Group


class ConsoleSettings(Group):
    """The operators' pages."""

    TITLE: ClassVar = "Console"
    FLAT_PREFIX: ClassVar = "console_"

    listen: str = Field(
        default="127.0.0.1:9060",
        description="address of the console; by HTTPS with `tls_certificate`, unless only this machine reaches it",
    )
    services: tuple[str, ...] = Field(
        default=(), description="gRPC addresses of services; the first that answers is asked; empty: `listen`"
    )
    instances: tuple[str, ...] = Field(
        default=(),
        description="admin addresses of every `serve` that is shown: host:port, or `https://host:port`; empty: "
        "`admin_listen`",
    )
    tls: bool = Field(default=False, description="the services use TLS, with certificates of a public authority")
    ca: Path | None = Field(
        default=None, description="PEM file: the services use TLS, with certificates of these authorities"
    )
    client_certificate: Path | None = Field(
        default=None,
        description="PEM file: the certificate, then its intermediates, that the console shows to services with "
        "`tls_client_ca`",
    )
    client_key: Path | None = Field(default=None, description="PEM file: this certificate's private key")
    token_file: Path | None = Field(
        default=None,
        description="file with a token of scope `admin`, with which the console reads figures while no user is logged "
        "in; without it charts begin with the first login",
    )
    idle_timeout: float = Field(default=1800.0, gt=0, description="seconds without a request after which a login ends")
    session_ttl: float = Field(default=28800.0, gt=0, description="seconds after which a login ends")

    @field_validator("listen")
    @classmethod
    def _address(cls, address: str) -> str:
        return str(parse_address(address, "127.0.0.1:9060"))

    @field_validator("services")
    @classmethod
    def _services(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(parse_address(each)) for each in addresses)

    @field_validator("instances")
    @classmethod
    def _instances(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for each in addresses:
            parse_address(each.removeprefix("https://").removeprefix("http://"), "127.0.0.1:9050")
        return addresses

    @property
    def uses_tls(self) -> bool:
        """Return whether the services use TLS."""
        return self.tls or self.ca is not None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("console_client_certificate and console_client_key belong together: give both")
        if self.client_certificate and not self.uses_tls:
            raise ValueError("console_client_certificate needs console_tls or console_ca as well")
        return self
