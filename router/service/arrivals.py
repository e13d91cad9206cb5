"""Who connects how fast, as Linux tells anybody: connections that stand by sock_diag, those made by /proc/net/snmp.

A connection that is made and gone between two looks leaves nothing but one more in a sum over all ports. So the sum
is shared out in the proportion in which new connections are seen standing at a look, within bounds: some of the sum
may have gone to ports of which nothing was seen.
"""

import ipaddress
import socket
import struct
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SUMS = Path("/proc/net/snmp")
_NETLINK_SOCK_DIAG, _BY_FAMILY, _DUMP, _DONE, _ERROR = 4, 20, 0x301, 3, 2
_ESTABLISHED, _SYN_RECV, _TIME_WAIT, _LISTEN = 1, 3, 6, 10
_WANTED = sum(1 << state for state in range(1, 12) if state not in {_SYN_RECV, _TIME_WAIT})
_HEAD, _SOCKET = struct.Struct("=IHHII"), struct.Struct("=BBBB2s2s16s16s28xI")
_INFO, _INFO_WANTED, _BYTES = 2, 1 << 1, struct.Struct("=120xQQ")
"""The kernel's TCP_INFO, and where it says how many bytes were acknowledged and received."""
_ONE_HOST_V6 = 64
"""Bits of an IPv6 address that one host has for itself to choose addresses below."""
_FEW = 4
"""New connections at a look that say nothing about proportions."""
_EACH = 5
"""So many at most stand for one that was seen: of floods that hang up at once, one of two to ten was."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A TCP socket of this machine (or container): raw addresses, ports in network order."""

    family: int
    listens: bool
    port: bytes
    own: bytes
    peer_port: bytes
    peer: bytes


@dataclass(frozen=True, slots=True)
class Weighed:
    """How much a connection carried, and the inode by which /proc/PID/fd names it."""

    inode: int
    acknowledged: int
    received: int


def sockets() -> Iterator[Seen]:
    """All TCP sockets but those half made or already given up; OSError where the kernel doesn't tell."""
    return (each for each, _ in _seen(b"\0\0"))


def listeners(port: bytes) -> Mapping[Seen, frozenset[int]]:
    """The inodes of the sockets that listen at a port, by what they listen on; OSError as above."""
    found: dict[Seen, frozenset[int]] = {}
    for each, inode in _seen(port):
        if each.listens and each.port == port:
            found[each] = found.get(each, frozenset()) | {inode}
    return found


def _seen(port: bytes) -> Iterator[tuple[Seen, int]]:
    for said, at, _ in _dump(port, 0):
        family, state, _, _, port_here, peer_port, own, peer, inode = _SOCKET.unpack_from(said, at)
        yield Seen(family, state == _LISTEN, port_here, own, peer_port, peer), inode


def weighed(port: int) -> Iterator[Weighed]:
    """The connections to one port; OSError where the kernel doesn't tell.

    However many there are, this takes few system calls: each is a chance to lose the GIL when there is much to do.
    """
    for said, at, end in _dump(struct.pack(">H", port), _INFO_WANTED):
        inode = _SOCKET.unpack_from(said, at)[-1]
        place = at + _SOCKET.size
        while place < end:
            size, kind = struct.unpack_from("=HH", said, place)
            if kind == _INFO and size >= 4 + _BYTES.size:
                yield Weighed(inode, *_BYTES.unpack_from(said, place + 4))
            place += max(4, (size + 3) & ~3)


def _dump(port: bytes, more: int) -> Iterator[tuple[bytes, int, int]]:
    """Each socket that the kernel tells of: where in what it said its description begins, and where it ends."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asking:
        for family in (socket.AF_INET, socket.AF_INET6):
            wanted = struct.pack("=BBBBI2s46x", family, socket.IPPROTO_TCP, more, 0, _WANTED, port)
            asking.send(_HEAD.pack(_HEAD.size + len(wanted), _BY_FAMILY, _DUMP, 1, 0) + wanted)
            yield from _answers(asking)


def _answers(asking: socket.socket) -> Iterator[tuple[bytes, int, int]]:
    while True:
        said, at = asking.recv(1 << 16), 0
        while at < len(said):
            size, kind, *_ = _HEAD.unpack_from(said, at)
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise OSError("sock_diag is not answered here")
            yield said, at + _HEAD.size, at + size
            at += (size + 3) & ~3


def made() -> int:
    """Connections that were made to any port of this machine (or container) since it started."""
    names, values = (line.split() for line in _SUMS.read_text("ascii").splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("PassiveOpens")])


def origin(seen: Seen) -> Network:
    """Where a connection comes from: an IPv4 address, or the 64 bits of an IPv6 network."""
    if seen.family == socket.AF_INET:
        return ipaddress.IPv4Network(seen.peer[:4])
    whole = ipaddress.IPv6Address(seen.peer)
    mapped = whole.ipv4_mapped
    return (
        ipaddress.IPv6Network((whole, _ONE_HOST_V6), strict=False) if mapped is None else ipaddress.IPv4Network(mapped)
    )


class Arrivals:
    """New connections of the last second at one port, by origin.

    Args:
        enough: connections a second to all ports below which there is no closer look.
    """

    def __init__(self, port: int, enough: int) -> None:
        self._port = struct.pack(">H", port)
        self._enough = enough
        self._made, self._looked = made(), time.monotonic()
        self._all = 0.0
        self._by_origin: dict[Network, float] = {}
        self._before: frozenset[Seen] | None = None

    def look(self) -> Mapping[Network, float]:
        """How many each made, about; none where all together are few."""
        fresh = self._pass_time()
        self._all += fresh
        if self._all <= self._enough:
            self._before = None
            return {}
        everything = list(sockets())
        standing = _accepted(everything)
        if self._before is not None:
            self._share_out(fresh, standing - self._before)
        self._before = standing
        return self._by_origin

    def _pass_time(self) -> int:
        """What was counted fades within a second; returns how many connections are new."""
        now, count = time.monotonic(), made()
        fresh, left = count - self._made, max(0.0, 1 - (now - self._looked))
        self._made, self._looked = count, now
        self._all *= left
        self._by_origin = {who: many * left for who, many in self._by_origin.items() if many * left > 1}
        return fresh

    def _share_out(self, fresh: int, new: Collection[Seen]) -> None:
        if len(new) < _FEW:
            return
        here = Counter(origin(each) for each in new if each.port == self._port)
        each_stands_for = min(_EACH, fresh / len(new))
        for who, count in here.items():
            self._by_origin[who] = self._by_origin.get(who, 0.0) + count * each_stands_for


def _accepted(everything: Collection[Seen]) -> frozenset[Seen]:
    """Connections that others made to here."""
    ports = {each.port for each in everything if each.listens}
    return frozenset(each for each in everything if not each.listens and each.port in ports)
