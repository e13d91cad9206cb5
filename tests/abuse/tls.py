"""Attacks where TLS is on: before, in and instead of a handshake."""

import contextlib
import itertools
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.abuse import wire
from tests.abuse.attack import Attack, together
from tests.abuse.harness import Harness
from tests.abuse.wire import NOISE, PING, PREFACE, frame

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_LONGEST_RECORD = 16_384


def _context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """Trusts anybody."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = made.maximum_version = version
    made.set_alpn_protocols(["h2"])
    return made


def _hello() -> bytes:
    """A sound first message of a client."""
    result = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        _context().wrap_bio(ssl.MemoryBIO(), result, server_hostname="localhost").do_handshake()
    return result.read()


@contextmanager
def _connected(harness: Harness, patience: float = 2.0) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", harness.port), timeout=patience) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield made


def _handshakes(harness: Harness, seconds: float, version: ssl.TLSVersion) -> str:
    context, end, whole, refused = _context(version), time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        try:
            with _connected(harness) as plain, context.wrap_socket(plain):
                whole += 1
        except OSError:
            refused += 1
    return f"{whole:,} handshakes, {refused:,} refused" if refused else f"{whole:,} handshakes"


def handshakes(harness: Harness, seconds: float) -> str:
    """New connections with a whole handshake, and nothing said in them."""
    return together(8, lambda: _handshakes(harness, seconds, ssl.TLSVersion.TLSv1_3))


def old_handshakes(harness: Harness, seconds: float) -> str:
    """Begin handshakes of TLS 1.2."""
    return together(8, lambda: _handshakes(harness, seconds, ssl.TLSVersion.TLSv1_2))


def hellos(harness: Harness, seconds: float) -> str:
    """Have the service begin handshakes, and hang up without looking at its answer."""
    hello = _hello()
    return together(8, lambda: f"{_say_and_leave(harness, seconds, hello):,} begun")


def _say_and_leave(harness: Harness, seconds: float, result: bytes) -> int:
    end, times = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        with contextlib.suppress(OSError), _connected(harness) as attacker:
            attacker.sendall(result)
            times += 1
    return times


def half_a_hello(harness: Harness, seconds: float) -> str:
    hello = _hello()
    return _stopped(harness, seconds, hello[: len(hello) // 2])


def only_a_hello(harness: Harness, seconds: float) -> str:
    """The service has answered, and waits for the rest."""
    return _stopped(harness, seconds, _hello())


def _stopped(harness: Harness, seconds: float, result: bytes, count: int = 1000) -> str:
    """Many handshakes that stop; each connection is begun without waiting for it."""
    with ExitStack() as stack:
        attackers = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in attackers:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", harness.port))
        end, unsaid = time.monotonic() + seconds, set(attackers)
        while time.monotonic() < end:
            unsaid = {each for each in unsaid if not _says(each, result)}
            time.sleep(0.05)
        closed = sum(map(wire.is_closed, set(attackers) - unsaid))
        return f"{count - len(unsaid) - closed:,} stand, {closed:,} closed, {len(unsaid):,} not let in yet"


def _says(each: socket.socket, result: bytes) -> bool:
    """Return whether it could be said, for good or ill."""
    try:
        each.send(result)
    except (BlockingIOError, BrokenPipeError):
        return False  # not connected yet
    except OSError:
        return True
    return True


def no_handshake(harness: Harness, seconds: float) -> str:
    """Noise, plain HTTP/2 and other protocols where a handshake should be."""
    plain = PREFACE + wire.settings() + frame(1, 5, 1, wire.call_headers(wire.LOOKUP, harness.authorization))
    record = struct.pack(">BHH", _HANDSHAKE, 0x0301, 20_000) + NOISE
    ways = (NOISE, plain, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", record, b"\x15\x03\x01\0\x02\x02\x28")
    return _refused(harness, seconds, ways)


def huge_hello(harness: Harness, seconds: float) -> str:
    """A client's first message of 16 MB, in records as long as they may be."""
    head = struct.pack(">B", _CLIENT_HELLO) + b"\xff\xff\xff" + b"\x03\x03"
    record = struct.pack(">BHH", _HANDSHAKE, 0x0301, _LONGEST_RECORD)
    first = record + head + bytes(_LONGEST_RECORD - len(head))
    return _refused(harness, seconds, (first + (record + bytes(_LONGEST_RECORD)) * 1000,))


def _refused(harness: Harness, seconds: float, ways: tuple[bytes, ...]) -> str:
    end, closed, stood = time.monotonic() + seconds, 0, 0
    for result in itertools.cycle(ways):
        if time.monotonic() > end:
            break
        try:
            with _connected(harness, 1.0) as attacker:
                attacker.sendall(result)
                while attacker.recv(1 << 16):
                    pass
                closed += 1
        except TimeoutError:
            stood += 1
        except OSError:
            closed += 1
    return f"{closed:,} connections closed" + (f", {stood:,} not within a second" if stood else "")


def small_records(harness: Harness, seconds: float) -> str:
    """Pings of which each byte has a record of its own."""
    end, times = time.monotonic() + seconds, 0
    with _connected(harness) as plain, _context().wrap_socket(plain) as attacker:
        attacker.sendall(PREFACE + wire.settings())
        ping = frame(PING, 1, 0, b"12345678")  # an answer, which is not answered
        while time.monotonic() < end:
            try:
                for at in range(len(ping)):
                    attacker.sendall(ping[at : at + 1])
            except OSError:
                return f"closed after {times:,} records"
            times += len(ping)
    return f"{times:,} records taken"


ATTACKS = (
    Attack("TLS 1.3 handshakes", handshakes),
    Attack("TLS 1.2 handshakes", old_handshakes, quick=False),
    Attack("begun handshakes", hellos, quick=False),
    Attack("1,000 handshakes that stop in the first message", half_a_hello, 128, quick=False),
    Attack("1,000 handshakes that stop after it", only_a_hello, 256, quick=False),
    Attack("no handshake", no_handshake),
    Attack("a first message of 16 MB", huge_hello),
    Attack("records of a byte", small_records),
)
