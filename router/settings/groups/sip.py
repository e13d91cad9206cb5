"""Settings of SIP redirect."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from router.runtime.addresses import parse_address
from router.settings.groups.group import Group

PRIVATE_NETWORKS = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Loopback, private networks (RFC 1918) and unique local addresses (RFC 4193)."""


class SIPSettings(Group):
    """SIP redirect (302) of `serve`."""

    TITLE: ClassVar = "SIP redirect"
    FLAT_PREFIX: ClassVar = "sip_"

    listen: str = Field(
        default="", description="address of SIP redirect over UDP and TCP, such as 127.0.0.1:5070; empty: none"
    )
    contact: str = Field(
        default="sip:{number}@{account_id}.{domain};user=phone",
        description="URI of the Contact in a redirection; {number}, {account_id}, {state} and {domain} are replaced",
    )
    domain: str = Field(default="did-router.invalid", description="replaces {domain} in `sip_contact`")
    headers: list[Literal["X-Account-ID", "X-DID-State", "X-Pending-Port"]] = Field(
        default=["X-Account-ID", "X-DID-State", "X-Pending-Port"],
        description="header fields of a redirection beyond those of SIP",
    )
    timeout: float = Field(default=0.2, gt=0, description="seconds for a lookup over SIP")
    allowed_networks: list[str] = Field(
        default=list(PRIVATE_NETWORKS), description="networks whose requests are answered; others get nothing"
    )
    max_request_rate: int = Field(
        default=2000, ge=0, description="requests a second from one address; more get nothing; 0: no limit"
    )

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
