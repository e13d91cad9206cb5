"""Ports and addresses that no other test of this machine takes at the same time."""

import random
import socket

_PORTS = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections by itself, which could take one before its server does."""
_DNS = 53
_held: list[socket.socket] = []
"""Locks of the ports that this process gave away; they end with it."""


def free_port() -> int:
    """Return a port of loopback that is free for UDP and TCP, and that no other test gets while this process runs."""
    for port in random.sample(_PORTS, len(_PORTS)):
        if _lock(f"port {port}") and _is_free("127.0.0.1", port):
            return port
    raise OSError("no port is free between 20,000 and 32,000")


def free_dns_address() -> str:
    """Return an address of loopback whose port 53 is free: resolvers ask no other port."""
    for _ in range(1_000):
        address = f"127.53.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        if _lock(address) and _is_free(address, _DNS):
            return address
    raise OSError("port 53 is free on no address of 127.53.0.0/16: only root may use it")


def is_bound(port: int, protocol: str = "udp") -> bool:
    """Return whether a process has bound a port of any address of IPv4."""
    with open(f"/proc/net/{protocol}", encoding="ascii") as table:
        return any(line.split()[1].endswith(f":{port:04X}") for line in list(table)[1:])


def has_read_all(port: int) -> bool:
    """Return whether whoever has bound a UDP port has taken every datagram so far."""
    with open("/proc/net/udp", encoding="ascii") as table:
        rows = [line.split() for line in list(table)[1:]]
    return all(row[4].endswith(":00000000") for row in rows if row[1].endswith(f":{port:04X}"))


def _lock(name: str) -> bool:
    """A name in Linux's abstract namespace belongs to one process, and is free when that has ended."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0did-router-tests {name}")
    except OSError:
        holder.close()
        return False
    _held.append(holder)
    return True


def _is_free(address: str, port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
