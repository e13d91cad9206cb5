"""Addresses of the form host:port, with an IPv6 address in brackets."""

import ipaddress
import socket
from typing import NamedTuple

MAX_PORT = 65535


class Address(NamedTuple):
    """A server's address.

    Attributes:
        host: a name or an IP address, without brackets.
        port: 0 lets the system choose.
    """

    host: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        """The family of a socket for this address."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def __str__(self) -> str:
        """Return host:port, with an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if self.family == socket.AF_INET6 else f"{self.host}:{self.port}"


def parse_address(text: str, example: str = "127.0.0.1:50051", *, default_port: int | None = None) -> Address:
    """Read host:port.

    Args:
        text: IPv6 addresses are in brackets.
        example: for the message.
        default_port: of a text that is a host alone; None where the port must be written.

    Raises:
        ValueError: there is no host, or the port is none.
    """
    host, _, port = text.rpartition(":")
    if default_port is not None and (not host or text.endswith("]")):
        host, port = text, str(default_port)
    if not host or not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
        raise ValueError(f"write it as host:port, such as {example}")
    return Address(host.strip("[]"), int(port))


def is_loopback(address: str) -> bool:
    """Return whether only this machine can connect to host:port; False where that is unknown, as for unix:/path."""
    try:
        host = parse_address(address).host
    except ValueError:
        return False  # a worker behind the edge listens on a unix socket
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)
