"""The topmost Via: where a response goes (RFC 3261 18.2.1, 18.2.2, and RFC 3581)."""

import ipaddress
import re
from typing import NamedTuple

from router.runtime.short_cache import cached_if_short

DEFAULT_PORT = 5060
_CACHED = 1024
"""Values of sent-by that are kept as read."""

_SENT_BY = re.compile(
    rb"SIP[ \t]*/[ \t]*[0-9]+\.[0-9]+[ \t]*/[ \t]*[A-Za-z]+[ \t]+"
    rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-_]+)[ \t]*(?::[ \t]*([0-9]{1,5}))?[ \t]*",
    re.IGNORECASE,
)
_RPORT = re.compile(rb";[ \t]*rport[ \t]*(?=;|$)", re.IGNORECASE)
_MADDR = re.compile(rb";[ \t]*maddr[ \t]*=[ \t]*(\[?[0-9A-Fa-f:.]+\]?)", re.IGNORECASE)
_OWN = re.compile(rb";[ \t]*(?:received|rport)[ \t]*=[^;]*", re.IGNORECASE)


class Via(NamedTuple):
    """A Via header field's value.

    Attributes:
        host, port: sent-by, the host in lower case and without brackets; no port where it names none.
        wants_rport: the caller asks for the port that it was seen at (RFC 3581).
        maddr: the address that responses are to go to; None for the one that the request came from.
    """

    value: bytes
    host: str
    port: int | None
    wants_rport: bool
    maddr: str | None

    def received(self, source: tuple[str, int]) -> bytes:
        """Return the value with `received` (18.2.1) and `rport` (RFC 3581 4), as the response carries it."""
        value = self.value
        if self.wants_rport:
            value = _RPORT.sub(b";rport=%d" % source[1], value, count=1)
        elif self.host == source[0]:
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
    sent_by, separator, parameters = value.partition(b";")
    found = _sent_by(sent_by)
    if found is None:
        return None
    host, port = found
    if parameters.startswith(b"branch=") and b";" not in parameters:  # all that most proxies write
        return Via(value, host, port, wants_rport=False, maddr=None)
    parameters = (separator + parameters).lower()
    if b"received" in parameters:  # a caller's own claim must not reach anybody
        value, parameters = _OWN.sub(b"", value), _OWN.sub(b"", parameters)
    wants_rport = b"rport" in parameters and _RPORT.search(parameters) is not None
    return Via(value, host, port, wants_rport, _maddr(parameters) if b"maddr" in parameters else None)


@cached_if_short(_CACHED)
def _sent_by(value: bytes) -> tuple[str, int | None] | None:
    """Read protocol, host and port, which are the same in all requests of a proxy; None where they are malformed."""
    found = _SENT_BY.fullmatch(value)
    if found is None:
        return None
    port = None if found[2] is None else int(found[2])
    if port is not None and not 0 < port < 65536:  # noqa: PLR2004 - UDP's ports
        return None
    return found[1].strip(b"[]").lower().decode(), port


def _maddr(parameters: bytes) -> str | None:
    found = _MADDR.search(parameters)
    try:
        return None if found is None else str(ipaddress.ip_address(found[1].strip(b"[]").decode()))
    except ValueError:
        return None
