"""Requests of `did-router lookup --via`, and its output."""

import ssl
from dataclasses import dataclass, field

from router.cli.client import LookupResult
from router.runtime.addresses import Address


@dataclass(frozen=True, slots=True)
class Question:
    """One lookup.

    Attributes:
        number: as on the command line.
        timeout: seconds.
        tls: of HTTP; None for no TLS.
        headers: HTTP's, with the token.
    """

    target: Address
    number: str
    dial_plan: str
    authoritative: bool
    timeout: float
    tls: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SwitchView:
    """A response as a switch sees it.

    Attributes:
        text: of the response.
        result: the same as fields; those that this way of asking doesn't carry are empty.
    """

    text: str
    result: LookupResult
