"""Addresses of the form host:port, with an IPv6 address in brackets."""

from typing import NamedTuple

MAX_PORT = 65535


class Address(NamedTuple):
    """Where a server listens.

    Attributes:
        host: a name or an IP address, without brackets.
        port: 0 lets the system choose.
    """

    host: str
    port: int

    @property
    def is_ipv6(self) -> bool:
        """Whether the host is an IPv6 address."""
        return ":" in self.host

    def __str__(self) -> str:
        """Return host:port, with an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read host:port.

    Raises:
        ValueError: there is no host, or the port is none.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
        raise ValueError("write it as host:port, such as 127.0.0.1:50051")
    return Address(host.strip("[]"), int(port))
