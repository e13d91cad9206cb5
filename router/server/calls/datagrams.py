"""A UDP socket read in turns of an event loop: all datagrams that wait are one batch, and share what a batch costs."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any

log = logging.getLogger(__name__)

Datagram = tuple[bytes, Any]
"""Bytes, and the address as the socket gives it."""
_BATCH_SIZE = 64
"""Datagrams of a turn; those behind it are read in the next one, after whatever else the loop has to do."""
_MAX_DATAGRAM = 65_535
_RECEIVE_BUFFER = 1 << 20
"""Bytes that are asked of the kernel for datagrams that wait, which grants as many as net.core.rmem_max allows. Its
default holds some 160 of SIP's, fewer than a burst brings while the process waits for a CPU."""


class DatagramSocket:
    """Reads a socket and sends responses.

    Args:
        bound: a bound UDP socket, not blocking.
        receive: answers a batch; called inside the event loop.
    """

    def __init__(self, bound: socket.socket, receive: Callable[[Sequence[Datagram]], None]) -> None:
        self._socket = bound
        self._receive = receive
        with contextlib.suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read from now on."""
        loop.add_reader(self._socket, self._drain)

    def stop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read nothing any more; responses can still be sent until `close`."""
        loop.remove_reader(self._socket)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def send(self, message: bytes, address: Any) -> bool:
        """Send a datagram; return whether the kernel took it.

        One that it did not take is lost, as datagrams may be: its request comes again.
        """
        try:
            self._socket.sendto(message, address)
        except OSError:
            return False
        return True

    def _drain(self) -> None:
        batch: list[Datagram] = []
        receive = self._socket.recvfrom
        try:
            while len(batch) < _BATCH_SIZE:
                batch.append(receive(_MAX_DATAGRAM))
        except BlockingIOError:
            pass
        except OSError as problem:  # an ICMP error of an earlier response; the next turn reads on
            log.debug("reading a datagram failed: error=%s", problem)
        if batch:
            self._receive(batch)
