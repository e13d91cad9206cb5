"""Many connections: silent, half a request, endless requests, idle, garbage, hang-ups."""

import itertools
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack

from tests.abuse import wire
from tests.abuse.attack import together
from tests.abuse.harness import Harness
from tests.abuse.sent_requests import LOOKUP_REQUEST
from tests.abuse.wire import (
    ACK,
    BATCH,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LOOKUP,
    NOISE,
    PREFACE,
    WINDOW,
    Connection,
    frame,
)


def silent(harness: Harness, seconds: float) -> str:
    return _many(harness, seconds, 200, b"")


def only_preface(harness: Harness, seconds: float) -> str:
    return _many(harness, seconds, 200, PREFACE)


def half_a_header(harness: Harness, seconds: float) -> str:
    whole = frame(HEADERS, END_HEADERS, 1, wire.call_headers(LOOKUP, harness.authorization))
    return _many(harness, seconds, 200, PREFACE + wire.settings() + whole[: len(whole) // 2])


def endless_body(harness: Harness, seconds: float) -> str:
    """Calls whose message never comes to its end, 500 on each of 4 connections."""
    return _many(harness, seconds, 4, PREFACE + wire.settings() + _endless(harness, LOOKUP, 500))


def endless_body_of_others(harness: Harness, seconds: float) -> str:
    return _many(harness, seconds, 4, PREFACE + wire.settings() + _endless(harness, BATCH, 500))


def _endless(harness: Harness, path: str, count: int) -> bytes:
    headers = wire.call_headers(path, harness.authorization)
    beginning = wire.message(LOOKUP_REQUEST, announced=1000)
    return b"".join(
        frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, 0, stream, beginning)
        for stream in range(1, 2 * count, 2)
    )


def idle(harness: Harness, seconds: float) -> str:
    return _many(harness, seconds, 1000, PREFACE + wire.settings())


def _many(harness: Harness, seconds: float, count: int, result: bytes) -> str:
    with ExitStack() as stack:
        attackers = [stack.enter_context(socket.socket()) for _ in range(count)]
        refused = 0
        for each in attackers:
            each.settimeout(2)
            try:
                each.connect(("127.0.0.1", harness.port))
                each.sendall(result)
            except OSError:
                refused += 1
        time.sleep(seconds)
        closed = sum(map(wire.is_closed, attackers)) - refused
        return f"{count - refused - closed:,} connections stand, {closed:,} closed" + (
            f", {refused:,} refused" if refused else ""
        )


def noise(harness: Harness, seconds: float) -> str:
    """100 kB of noise, on many connections, some after a preface."""
    return _again(harness, seconds, NOISE, PREFACE + NOISE, PREFACE + wire.settings() + NOISE)


def other_protocols(harness: Harness, seconds: float) -> str:
    return _again(
        harness,
        seconds,
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\n\r\n",
        bytes.fromhex("160301020001000100") + b"\0" * 300,
    )


def bad_windows(harness: Harness, seconds: float) -> str:
    """Window updates that overflow, and that add nothing."""
    begun = PREFACE + wire.settings()
    return _again(
        harness,
        seconds,
        begun + wire.window_update(0, (1 << 31) - 1) * 3,
        begun + wire.window_update(0, 0),
        begun + wire.settings((WINDOW, 1 << 31)),
        begun + frame(DATA, ACK, 0, b"1234"),
    )


def hang_up(harness: Harness, seconds: float) -> str:
    """Connect, ask, and hang up without waiting."""
    return _again(harness, seconds, _at_once(harness), wait=0)


def hang_up_together(harness: Harness, seconds: float) -> str:
    """Let 20 attackers hang up at a time."""
    return together(20, lambda: hang_up(harness, seconds))


def hang_up_from_everywhere(harness: Harness, seconds: float) -> str:
    """Let 20 attackers hang up at a time, from 200 addresses."""
    sources = itertools.cycle(f"127.0.9.{host}" for host in range(1, 201))
    return together(20, lambda: _again(harness, seconds, _at_once(harness), wait=0, sources=sources))


def _at_once(harness: Harness) -> bytes:
    call = frame(HEADERS, END_HEADERS, 1, wire.call_headers(LOOKUP, harness.authorization))
    call += frame(DATA, END_STREAM, 1, wire.message(LOOKUP_REQUEST))
    return PREFACE + wire.settings() + call


def _again(
    harness: Harness,
    seconds: float,
    *all_reported: bytes,
    wait: float = 1,
    sources: Iterable[str] = itertools.repeat("127.0.0.1"),
) -> str:
    end, closed, stood = time.monotonic() + seconds, 0, 0
    for result, source in zip(itertools.cycle(all_reported), sources, strict=False):
        if time.monotonic() > end:
            break
        with Connection(harness.port, reads=bool(wait), source=source) as attacker:
            attacker.send(result)
            if attacker.closed.wait(wait):
                closed += 1
            else:
                stood += 1
    if not wait:
        return f"{stood:,} connections made"
    return f"{closed:,} connections closed" + (f", {stood:,} not within a second" if stood and wait else "")
