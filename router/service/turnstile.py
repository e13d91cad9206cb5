"""Keeps new connections of some origins from the workers for a while, in the kernel and without privileges.

The workers' sockets listen on one port (SO_REUSEPORT), and a small program may say which of them gets a new
connection. So one more socket listens there whose queue takes nobody: who is sent to it is not answered, and his kernel
asks again after a second. Connections that stand are not touched.
"""

import contextlib
import ctypes
import socket
import struct
from collections import Counter
from collections.abc import Iterable, Sequence

from router.service.arrivals import Network, Seen, sockets

_SO_ATTACH_REUSEPORT_CBPF, _SO_DETACH_REUSEPORT_BPF = 51, 68
_IP, _ANY_NUMBER = 0xFFF00000, 0xFFFFF000 + 56
"""Where classic BPF finds the IP header, and a random number."""
_LOAD, _LOAD_BYTE, _SHIFT_RIGHT, _AND, _MODULO = 0x20, 0x30, 0x74, 0x54, 0x94
_JUMP, _IF_EQUAL, _IF_AT_LEAST, _RETURN, _RETURN_LOADED = 0x05, 0x15, 0x35, 0x06, 0x16
_VERSION_6 = 6
_PARTS = 1 << 16
MOST = 64
"""Origins that are kept out at a time."""

Instruction = tuple[int, int, int, int]


def program(origins: Iterable[Network], share: float, workers: int) -> Sequence[Instruction]:
    """Sends some origins to the socket behind the workers', and of all others a share to any of those."""
    old: list[Instruction] = []
    new: list[Instruction] = []
    for each in origins:
        words = struct.unpack(f">{len(each.network_address.packed) // 4}I", each.network_address.packed)
        if each.version == _VERSION_6:
            new += [(_LOAD, 0, 0, _IP + 8), (_IF_EQUAL, 0, 3, words[0])]
            new += [(_LOAD, 0, 0, _IP + 12), (_IF_EQUAL, 0, 1, words[1]), (_RETURN, 0, 0, workers)]
        else:
            old += [(_IF_EQUAL, 0, 1, words[0]), (_RETURN, 0, 0, workers)]
    old = [(_LOAD, 0, 0, _IP + 12), *old, (_JUMP, 0, 0, len(new))]
    return (
        (_LOAD_BYTE, 0, 0, _IP),
        (_SHIFT_RIGHT, 0, 0, 4),
        (_IF_EQUAL, 0, 1, _VERSION_6),
        (_JUMP, 0, 0, len(old)),
        *old,
        *new,
        (_LOAD, 0, 0, _ANY_NUMBER),
        (_AND, 0, 0, _PARTS - 1),
        (_IF_AT_LEAST, 0, 1, round(share * _PARTS)),
        (_RETURN, 0, 0, workers),
        (_LOAD, 0, 0, _ANY_NUMBER),
        (_MODULO, 0, 0, workers),
        (_RETURN_LOADED, 0, 0, 0),
    )


class Turnstile:
    """At one port, whose listening sockets are this user's and share it."""

    def __init__(self, port: int) -> None:
        self._port = struct.pack(">H", port)
        self._shut: dict[Seen, tuple[socket.socket, int]] = {}
        """By what the workers listen on: the socket that takes nobody, and how many workers listen beside it."""

    def keep_out(self, origins: Sequence[Network], share: float = 1.0) -> None:
        """Let nobody in from there, and of all others that share, until told otherwise.

        Raises:
            OSError: the kernel doesn't let us.
        """
        listening = Counter(each for each in sockets() if each.listens and each.port == self._port)
        for place, count in listening.items():
            workers = count - (place in self._shut)
            if place in self._shut and self._shut[place][1] != workers:
                self._open(place)  # theirs changed places among those who listen
            if workers < 1:
                continue
            if place not in self._shut:
                self._shut[place] = _listen_to_nobody(place), workers
            _attach(self._shut[place][0], program(origins[:MOST], share, workers))

    def open(self) -> None:
        """Let everybody in."""
        for place in list(self._shut):
            self._open(place)

    def _open(self, place: Seen) -> None:
        held, _ = self._shut.pop(place)
        with contextlib.suppress(OSError):
            held.setsockopt(socket.SOL_SOCKET, _SO_DETACH_REUSEPORT_BPF, 0)
        held.close()


def _listen_to_nobody(place: Seen) -> socket.socket:
    held = socket.socket(place.family)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if place.family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        own = place.own if place.family == socket.AF_INET6 else place.own[:4]
        held.bind((socket.inet_ntop(place.family, own), int.from_bytes(place.port)))
        held.listen(0)
    except OSError:
        held.close()
        raise
    return held


def _attach(held: socket.socket, instructions: Sequence[Instruction]) -> None:
    code = b"".join(struct.pack("=HBBI", *each) for each in instructions)
    kept = ctypes.create_string_buffer(code, len(code))
    described = struct.pack("@HP", len(instructions), ctypes.addressof(kept))
    held.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, described)
