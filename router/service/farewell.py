"""Leaving without losing a call: clients are asked to go elsewhere, finish what runs, and close by themselves.

Both servers close at once, or cancel what arrives meanwhile: with calls under way some are lost. HTTP/2 has a way
out that neither offers: a GOAWAY that names the highest possible stream (RFC 9113, 6.8) asks a client to begin
nothing new on this connection, while all that it began already is answered. It is written into the connections of
this process from here. It must not stand in the middle of another frame, so only a connection whose
bytes have all left, seen twice in a row, is written to: a server has half a frame to write only when its buffer is
full, and goes on writing as soon as it is not.
"""

import contextlib
import fcntl
import os
import socket
import struct
import time
from collections.abc import Collection, Iterator

_GOAWAY = bytes.fromhex("000008 07 00 00000000 7fffffff 00000000")
_OPEN = "/proc/self/fd"
"""Elsewhere than on Linux nobody is seen off: the server closes as it does."""
_SIOCOUTQNSD = 0x894B
"""Linux: bytes not yet sent."""
_LOOK = 0.01


def stop_listening(port: int) -> None:
    """Take no new connections on a port; the kernel gives them to whoever else listens there (SO_REUSEPORT)."""
    for each in sockets(port):
        if _listens(each):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RD)


def see_off(port: int, seconds: float) -> bool:
    """Ask everybody who is connected to a port to leave; wait until they have.

    Returns:
        Whether all have left in time.
    """
    end = time.monotonic() + seconds
    asked: set[object] = set()
    at_rest: set[object] = set()
    while True:
        connected: set[object] = set()
        resting: set[object] = set()
        for each in sockets(port):
            with contextlib.suppress(OSError):
                peer = each.getpeername()  # what only listens has none
                connected.add(peer)
                if peer in asked or not _is_at_rest(each):
                    continue
                resting.add(peer)
                if peer in at_rest and _say_goodbye(each):
                    asked.add(peer)
        if not connected:
            return True
        if time.monotonic() > end:
            return False
        at_rest = resting
        time.sleep(_LOOK)


def _is_at_rest(connection: socket.socket) -> bool:
    """Whether nothing that was written waits to be sent."""
    return bool(struct.unpack("i", fcntl.ioctl(connection.fileno(), _SIOCOUTQNSD, b"\0" * 4))[0] == 0)


def ask_to_leave(connection: socket.socket) -> bool:
    """Ask who is at the other end to begin nothing new; False when a frame may be half written."""
    return _is_at_rest(connection) and _say_goodbye(connection)


def _say_goodbye(connection: socket.socket) -> bool:
    return connection.send(_GOAWAY, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) == len(_GOAWAY)


def _listens(each: socket.socket) -> bool:
    return bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def sockets(port: int) -> Iterator[socket.socket]:
    """This process's TCP sockets at a local port; each is closed again, which leaves the original open."""
    for name in os.listdir(_OPEN) if os.path.isdir(_OPEN) else ():
        with contextlib.suppress(OSError):
            if not os.readlink(f"{_OPEN}/{name}").startswith("socket:"):
                continue
            with copy(int(name)) as each:
                if each.family in (socket.AF_INET, socket.AF_INET6) and each.getsockname()[1] == port:
                    yield each


def copies(inodes: Collection[int]) -> Iterator[socket.socket]:
    """Copies of this process's sockets with these inodes, to be closed."""
    wanted = {f"socket:[{each}]" for each in inodes}
    # Who came last has the highest descriptor, and is most likely among them.
    for name in sorted(os.listdir(_OPEN), key=int, reverse=True):
        with contextlib.suppress(OSError):
            if (link := os.readlink(f"{_OPEN}/{name}")) in wanted:
                wanted.discard(link)
                yield copy(int(name))
        if not wanted:
            return


def copy(descriptor: int) -> socket.socket:
    """A socket of our own for a descriptor; OSError when it has become something else meanwhile."""
    own = os.dup(descriptor)
    try:
        return socket.socket(fileno=own)
    except OSError:
        os.close(own)
        raise
