"""Settings of SIP redirect and ENUM, the ways of asking that know no tokens."""

import ipaddress
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from router.runtime.addresses import parse_address
from router.settings.groups.group import Group

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE_NETWORKS = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Loopback, private networks (RFC 1918) and unique local addresses (RFC 4193)."""
_CONTACT = "sip:{number}@{account_id}.{domain};user=phone"
_CONNECTIONS = "open TCP connections of a worker; one more is closed at once"
_URI = "{number}, {account_id}, {state}, {realm} (the account's) and {domain} are replaced"


class SwitchGroup(Group):
    """Settings that SIP redirect and ENUM share; a group describes those of its own meaning again."""

    listen: str = ""
    domain: str = Field(default="did-router.invalid", description="replaces {domain} in the URI of a response")
    timeout: float = Field(default=0.2, gt=0, description="seconds for a lookup")
    allowed_networks: list[str] = Field(
        default=list(PRIVATE_NETWORKS),
        description="networks whose requests are answered; SIP drops others, ENUM refuses them",
    )
    max_request_rate: int = 0
    max_connections: int = 0
    max_connections_per_address: int = 0
    idle_timeout: float = 0.0

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks that may ask."""
        return tuple(ipaddress.ip_network(text, strict=False) for text in self.allowed_networks)

    @field_validator("listen")
    @classmethod
    def _address(cls, address: str) -> str:
        return str(parse_address(address, "127.0.0.1:5070")) if address else ""

    @field_validator("domain")
    @classmethod
    def _is_domain(cls, domain: str) -> str:
        if not all(label and label.replace("-", "").isalnum() and label.isascii() for label in domain.split(".")):
            raise ValueError("write it as a domain name, such as did.example.com")
        return domain

    @field_validator("allowed_networks")
    @classmethod
    def _are_networks(cls, texts: list[str]) -> list[str]:
        for text in texts:
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                raise ValueError(f"{text} is no network: write it as 10.0.0.0/8 or fd00::/8") from None
        return texts


class SIPSettings(SwitchGroup):
    """SIP redirect (302) of `serve`."""

    TITLE: ClassVar = "SIP redirect"
    FLAT_PREFIX: ClassVar = "sip_"

    listen: str = Field(
        default="", description="address of SIP redirect over UDP and TCP, such as 127.0.0.1:5070; empty: none"
    )
    contact: str = Field(default=_CONTACT, description=f"URI of the Contact in a redirection; {_URI}")
    headers: list[Literal["X-Account-ID", "X-DID-State", "X-Pending-Port", "X-DID-Stale"]] = Field(
        default=["X-Account-ID", "X-DID-State", "X-Pending-Port", "X-DID-Stale"],
        description="header fields of a redirection beyond those of SIP; X-DID-Stale is there for a stale answer only",
    )
    max_request_rate: int = Field(
        default=2000,
        ge=0,
        description="requests a second from one address over UDP, and as many over TCP; more get nothing over UDP, and "
        "503 over TCP; 0: no limit",
    )
    max_connections: int = Field(default=1000, ge=1, description=_CONNECTIONS)
    max_connections_per_address: int = Field(default=100, ge=1, description="the same, from one address")
    idle_timeout: float = Field(
        default=900.0,
        gt=0,
        description="seconds without a message or keep-alive after which a TCP connection is closed; the first one has "
        "to come within 10 s",
    )


class ENUMSettings(SwitchGroup):
    """ENUM (DNS) of `serve`."""

    TITLE: ClassVar = "ENUM"
    FLAT_PREFIX: ClassVar = "enum_"

    listen: str = Field(default="", description="address of ENUM over UDP and TCP, such as 127.0.0.1:5300; empty: none")
    zones: list[str] = Field(default=["e164.arpa"], min_length=1, description="zones below which numbers are")
    uri: str = Field(default=_CONTACT, description=f"URI of a number's NAPTR record; {_URI}")
    refusals: Literal["none", "uri"] = Field(
        default="none",
        description="answer to a number that takes no calls; none: no record; uri: a record whose URI names the SIP "
        "response, such as sip:480@not-in-service.refused.DOMAIN",
    )
    ttl: int = Field(default=0, ge=0, le=86_400, description="seconds that resolvers may keep a record")
    max_request_rate: int = Field(
        default=2000,
        ge=0,
        description="queries a second from one address over UDP, and as many over TCP; more have to use TCP, and are "
        "refused there; 0: no limit",
    )
    max_connections: int = Field(default=200, ge=1, description=_CONNECTIONS)
    max_connections_per_address: int = Field(default=50, ge=1, description="the same, from one address")
    idle_timeout: float = Field(
        default=10.0,
        gt=0,
        description="seconds without a query after which a TCP connection is closed (RFC 7766 6.2.3)",
    )
