"""Keeps callers from holding what others need: connections that ask for nothing, too many of them, endless messages.

The servers' own limits end where an operating system's view helps: Linux knows of each connection when it was made, how
much came in and how much of what went out was acknowledged. Elsewhere, and where that can't be seen, nothing is done.
"""

import contextlib
import logging
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from router.service import farewell
from router.service.arrivals import Weighed, weighed
from router.service.front import PING_AFTER
from router.service.seldom import Seldom

log = logging.getLogger(__name__)
log.addFilter(Seldom())

_LOOK = 0.1
_ROUND = 1.0
"""Seconds between looks at memory, and between looks at all connections."""
_PRESSED = 0.3
"""Seconds between looks at who sends much, while this process has much to do."""
_BUSY = 0.5
"""Of a core, used by a process that may have more to do than it can."""
_GULP = 64 << 20
"""Bytes that memory may grow in one round before there is a look at who sends how much."""
_MUCH = 512 << 10
_GIVES_NOTHING = 15
"""Who sent more than so many bytes, and so many times what he was sent, has asked for nothing in a long while.

Seen: mostly 17 to 60 times for resets on grpcio, which answers some; 10 for calls with 2 kB of new metadata in each.
"""
_PING, _PING_ANSWER = 17, 45
"""Bytes that the server sends to ask who is quiet whether he is there, and at most that come back within a look, TLS
included. The shortest call has more."""
_INFO_LENGTH = 136
_SILENT = "closed %d connections that never had anything answered, such as that of %s"
_GREEDY = "closed %d connections that sent much and asked for nothing, such as that of %s"
_TOO_MANY = "closed %d connections, as there were more than the setting 'connections' allows, such as that of %s"
_PAGE = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Connected:
    """One connection, as the kernel sees it.

    Attributes:
        socket: a copy, to be closed.
        quiet: seconds since something came in.
        received, acknowledged: bytes that came in, and that went out and arrived.
    """

    socket: socket.socket
    peer: object
    quiet: float
    received: int
    acknowledged: int

    @property
    def greedy(self) -> bool:
        """Sends much, and has nothing answered."""
        return is_greedy(self.received, self.acknowledged)


def is_greedy(received: int, acknowledged: int) -> bool:
    """Whether who sent so many bytes, and took so many, has asked for nothing in a long while."""
    return received > max(_MUCH, _GIVES_NOTHING * acknowledged)


class _Pressure:
    """Whether this process has much to do, told about three times a second."""

    def __init__(self) -> None:
        self._since, self._used = time.monotonic(), time.process_time()

    def is_high(self) -> bool:
        """Since it was last told; no where that is too short a time."""
        passed = time.monotonic() - self._since
        if passed < _PRESSED:
            return False
        used = time.process_time() - self._used
        self._since, self._used = time.monotonic(), time.process_time()
        return used > _BUSY * passed


class Doorman:
    """Looks at the connections of one port, in a thread of its own.

    Args:
        most: connections; beyond that who was not answered yet, then who was quiet longest, has to leave.
        silence: seconds that a connection may stand without having been answered anything.
        greeting: bytes that the server says to who has not been answered anything: its settings, a ping.
        asks: whether a farewell may be written into a connection: not where it is encrypted.
    """

    def __init__(self, port: int, *, most: int, silence: float, greeting: int, asks: bool = True) -> None:
        self._port = port
        self._most = most
        self._silence = silence
        self._greeting = greeting
        self._asks = asks
        self._since: dict[object, float] = {}
        self._heard: dict[object, tuple[int, float]] = {}
        """By peer: bytes received, and when the last came that were no answer to a ping."""
        self._asked: set[object] = set()
        self._suspected: set[int] = set()
        self._weighed: Mapping[int, Weighed] = {}
        """By inode, at the last look at who sends much."""
        self._held, self._due = _resident(), 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="doorman", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        self._due = time.monotonic() + _ROUND
        pressure = _Pressure()
        while not self._stop.wait(_LOOK):
            try:
                self._look(pressure)
            except Exception:
                log.exception("looking after connections failed")

    def _look(self, pressure: _Pressure) -> None:
        if pressure.is_high():
            self._relieve()
        swollen = _resident() > self._held + _GULP
        if not swollen and time.monotonic() < self._due:
            return
        try:
            self._go_round(swollen=swollen)
        finally:
            self._held, self._due = _resident(), time.monotonic() + _ROUND

    def _relieve(self) -> None:
        """Disconnect who sends much and asks for nothing, and look at nobody else: there is no time for that.

        What counts is what came since the last look, and twice in a row: who has just begun has had no answer yet.
        """
        with contextlib.suppress(OSError):
            before, self._weighed = self._weighed, {each.inode: each for each in weighed(self._port) if each.inode}
            greedy = {inode for inode, each in self._weighed.items() if _is_greedy_since(before.get(inode), each)}
            again, self._suspected = greedy & self._suspected, greedy
            if again:
                some = _looked_at(farewell.copies(again))
                self._end(some, _GREEDY)
                for each in some:
                    each.socket.close()

    def _go_round(self, *, swollen: bool) -> None:
        everybody = list(_connected(self._port))
        try:
            now = time.monotonic()
            self._since = {each.peer: self._since.get(each.peer, now) for each in everybody}
            self._heard = {each.peer: _heard(self._heard.get(each.peer), each, now) for each in everybody}
            self._asked &= self._since.keys()
            if swollen:
                self._end([each for each in everybody if each.greedy], _GREEDY)
            self._see_off([each for each in everybody if self._outstays(each, now)])
            over = len(everybody) - self._most
            if over > 0:
                everybody.sort(key=lambda each: (not self._is_unanswered(each, now), self._heard[each.peer][1]))
                self._end(everybody[:over], _TOO_MANY)
        finally:
            for each in everybody:
                each.socket.close()

    def _outstays(self, each: Connected, now: float) -> bool:
        return self._is_unanswered(each, now) and now - self._since[each.peer] > self._silence

    def _is_unanswered(self, each: Connected, now: float) -> bool:
        pings = (now - self._since[each.peer]) * 1000 // PING_AFTER
        return each.acknowledged <= self._greeting + _PING * pings

    def _see_off(self, silent: Sequence[Connected]) -> None:
        """Ask first: who is about to make his first call must not lose it."""
        for each in silent:
            if self._asks and each.peer not in self._asked:
                self._asked.add(each.peer)
                with contextlib.suppress(OSError):
                    farewell.ask_to_leave(each.socket)
            else:
                self._end([each], _SILENT)

    def _end(self, some: Sequence[Connected], words: str) -> None:
        for each in some:
            with contextlib.suppress(OSError):
                each.socket.shutdown(socket.SHUT_RDWR)
        if some:
            log.warning(words, len(some), some[0].peer)


def _heard(before: tuple[int, float] | None, each: Connected, now: float) -> tuple[int, float]:
    if before is not None and each.received - before[0] <= _PING_ANSWER:
        return each.received, before[1]
    return each.received, now - each.quiet


def _is_greedy_since(before: Weighed | None, now: Weighed) -> bool:
    if before is None:
        return is_greedy(now.received, now.acknowledged)
    return is_greedy(now.received - before.received, now.acknowledged - before.acknowledged)


def _connected(port: int) -> Sequence[Connected]:
    # Its own dup() would make the server's socket a blocking one.
    return _looked_at(farewell.copy(each.fileno()) for each in farewell.sockets(port))


def _looked_at(copies: Iterable[socket.socket]) -> Sequence[Connected]:
    """All that are connections still; the others are closed."""
    found = []
    for copy in copies:
        try:
            found.append(_look_at(copy))
        except OSError:
            copy.close()
    return found


def _look_at(connection: socket.socket) -> Connected:
    """OSError for what only listens, or tells too little of itself."""
    peer = connection.getpeername()
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_LENGTH)
    if len(told) < _INFO_LENGTH:
        raise OSError
    (quiet,) = struct.unpack_from("I", told, 52)
    acknowledged, received = struct.unpack_from("QQ", told, 120)
    return Connected(connection, peer, quiet / 1000, received, acknowledged)


def _resident() -> int:
    """Bytes of this process's memory; 0 where that can't be known."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE
    except OSError:
        return 0


def allow_many_connections() -> None:
    """As many open files as this process may have at all: where they run out, nobody gets in."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
