"""The topmost Via: where a response goes (RFC 3261 18.2.1, 18.2.2, and RFC 3581)."""

import ipaddress
import re
from typing import NamedTuple

DEFAULT_PORT = 5060

_VIA = re.compile(
    rb"SIP[ \t]*/[ \t]*[0-9]+\.[0-9]+[ \t]*/[ \t]*([A-Za-z]+)[ \t]+"
    rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-_]+)[ \t]*(?::[ \t]*([0-9]{1,5}))?[ \t]*((?:;.*)?)",
    re.IGNORECASE | re.DOTALL,
)
_RPORT = re.compile(rb";[ \t]*rport[ \t]*(?=;|$)", re.IGNORECASE)
_MADDR = re.compile(rb";[ \t]*maddr[ \t]*=[ \t]*(\[?[0-9A-Fa-f:.]+\]?)", re.IGNORECASE)
_OWN = re.compile(rb";[ \t]*(?:received|rport)[ \t]*=[^;]*", re.IGNORECASE)


class Via(NamedTuple):
    """A Via header field's value.

    Attributes:
        host, port: sent-by; no port where it names none.
        wants_rport: the caller asks for the port that it was seen at (RFC 3581).
        maddr: the address that responses are to go to; None for the one that the request came from.
    """

    value: bytes
    host: bytes
    port: int | None
    wants_rport: bool
    maddr: str | None

    def received(self, source: tuple[str, int]) -> bytes:
        """Return the value with `received` (18.2.1) and `rport` (RFC 3581 4), as the response carries it."""
        value = self.value
        if self.wants_rport:
            value = _RPORT.sub(b";rport=%d" % source[1], value, count=1)
        elif self.host.strip(b"[]").lower() == source[0].encode().lower():
            return value
        return value + b";received=" + source[0].encode()

    def reply_address(self, source: tuple[str, int]) -> tuple[str, int]:
        """Return where a response over UDP goes (18.2.2)."""
        port = self.port or DEFAULT_PORT
        if self.maddr is not None:
            return self.maddr, port
        return source if self.wants_rport else (source[0], port)


def parse_via(value: bytes) -> Via | None:
    """Read a value; None where it is malformed."""
    found = _VIA.fullmatch(value)
    if found is None:
        return None
    port = None if found[3] is None else int(found[3])
    if port is not None and not 0 < port < 65536:  # noqa: PLR2004 - UDP's ports
        return None
    parameters = found[4].lower()
    if b"received" in parameters:  # a caller's own claim must not reach anybody
        value, parameters = _OWN.sub(b"", value), _OWN.sub(b"", parameters)
    wants_rport = b"rport" in parameters and _RPORT.search(parameters) is not None
    return Via(value, found[2], port, wants_rport, _maddr(parameters) if b"maddr" in parameters else None)


def _maddr(parameters: bytes) -> str | None:
    found = _MADDR.search(parameters)
    try:
        return None if found is None else str(ipaddress.ip_address(found[1].strip(b"[]").decode()))
    except ValueError:
        return None
