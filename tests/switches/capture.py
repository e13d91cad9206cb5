"""Every packet of a call over loopback, in the order in which it was sent. Needs root."""

import socket
import struct
import threading
from dataclasses import dataclass
from typing import Self

_ETH_P_ALL = 3
_OUTGOING = 4
"""The kernel shows each packet of loopback twice: sent, and received."""
_UDP, _TCP, _IPV4 = 17, 6, 0x0800
_ETHERNET = 14
_RECEIVE_BUFFER_FORCE = 33
"""Linux's SO_RCVBUFFORCE: the system's limit loses packets on a busy machine."""


@dataclass(frozen=True)
class Packet:
    """A datagram, or a TCP segment with data.

    Attributes:
        protocol: UDP or TCP.
        source: port.
        target: port.
    """

    protocol: str
    source: int
    target: int
    data: bytes


class Capture:
    """Records while it is entered.

    Args:
        ports: only packets from or to one of them.
    """

    def __init__(self, ports: set[int]) -> None:
        self._ports = ports
        self._packets: list[Packet] = []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, 8 << 20)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.2)
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._reader.join()
        self._socket.close()

    def packets(self) -> list[Packet]:
        """Return what was recorded."""
        return list(self._packets)

    def _read(self) -> None:
        while not self._ended.is_set():
            try:
                frame, (_, _, kind, *_) = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            packet = _packet(frame) if kind == _OUTGOING else None
            if packet is not None and packet.data and self._ports & {packet.source, packet.target}:
                self._packets.append(packet)


def _packet(frame: bytes) -> Packet | None:
    if struct.unpack_from("!H", frame, 12)[0] != _IPV4:
        return None
    ip = frame[_ETHERNET:]
    length, protocol = struct.unpack_from("!2xH5xB", ip)
    header = 4 * (ip[0] & 0x0F)
    body = ip[header:length]
    if protocol == _UDP:
        source, target = struct.unpack_from("!HH", body)
        return Packet("UDP", source, target, body[8:])
    if protocol == _TCP:
        source, target = struct.unpack_from("!HH", body)
        return Packet("TCP", source, target, body[4 * (body[12] >> 4) :])
    return None
