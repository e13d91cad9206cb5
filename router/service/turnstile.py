"""Keeps new connections of some origins from the workers for a while, in the kernel and without privileges.

The workers' sockets listen on one port (SO_REUSEPORT), and a small program may say which of them gets a new
connection. So one more socket listens there that drops all that comes: who is sent to it is not answered, and his
kernel asks again after a second. Connections that stand are not touched.
"""

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from router.service.arrivals import Network, Seen, listeners

_SO_ATTACH_FILTER, _SO_ATTACH_REUSEPORT_CBPF, _SO_DETACH_REUSEPORT_BPF = 26, 51, 68
_IP, _ANY_NUMBER = 0xFFF00000, 0xFFFFF000 + 56
"""Where classic BPF finds the IP header, and a random number."""
_LOAD, _LOAD_BYTE, _SHIFT_RIGHT, _AND, _MODULO = 0x20, 0x30, 0x74, 0x54, 0x94
_JUMP, _IF_EQUAL, _IF_AT_LEAST, _RETURN, _RETURN_LOADED = 0x05, 0x15, 0x35, 0x06, 0x16
_VERSION_6 = 6
_PARTS = 1 << 16
MOST = 64
"""Origins that are kept out at a time."""

Instruction = tuple[int, int, int, int]
_DROP_ALL: Sequence[Instruction] = ((_RETURN, 0, 0, 0),)


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


@dataclass(frozen=True, slots=True)
class _Shut:
    """The socket that takes nobody, its inode, and those of the workers' sockets: behind all of them it stands."""

    held: socket.socket
    inode: int
    workers: frozenset[int]


class Turnstile:
    """At one port, whose listening sockets are this user's and share it."""

    def __init__(self, port: int) -> None:
        self._port = struct.pack(">H", port)
        self._shut: dict[Seen, _Shut] = {}
        """By what the workers listen on."""

    def keep_out(self, origins: Sequence[Network], share: float = 1.0) -> None:
        """Let nobody in from there, and of all others that share, until told otherwise.

        Raises:
            OSError: the kernel doesn't let us.
        """
        for place, inodes in listeners(self._port).items():
            shut = self._shut.get(place)
            workers = inodes if shut is None else inodes - {shut.inode}
            if shut is not None and workers != shut.workers:
                # Though they may be as many: whose place is left is taken by the last, and that was ours.
                self._open(place)
            if workers and place not in self._shut:
                held = _listen_to_nobody(place)
                self._shut[place] = _Shut(held, os.fstat(held.fileno()).st_ino, workers)
            if workers:
                _attach(self._shut[place].held, _SO_ATTACH_REUSEPORT_CBPF, program(origins[:MOST], share, len(workers)))

    def open(self) -> None:
        """Let everybody in."""
        for place in list(self._shut):
            self._open(place)

    def _open(self, place: Seen) -> None:
        held = self._shut.pop(place).held
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
        # Before it listens: even the shortest queue takes one, whose connection would stand and never be answered.
        _attach(held, _SO_ATTACH_FILTER, _DROP_ALL)
        held.listen(0)
    except OSError:
        held.close()
        raise
    return held


def _attach(held: socket.socket, option: int, instructions: Sequence[Instruction]) -> None:
    code = b"".join(struct.pack("=HBBI", *each) for each in instructions)
    kept = ctypes.create_string_buffer(code, len(code))
    described = struct.pack("@HP", len(instructions), ctypes.addressof(kept))
    held.setsockopt(socket.SOL_SOCKET, option, described)
