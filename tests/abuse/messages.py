"""Messages: too large, compressed, malformed, with responses that are never read, with guessed tokens or names."""

import itertools
import time
import zlib
from collections import Counter
from typing import Any

import grpc

from router.v1 import inbound_pb2 as pb
from router.v1 import numbers_pb2 as npb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from router.v1.numbers_pb2_grpc import NumberManagerStub
from tests.abuse import wire
from tests.abuse.harness import NUMBER, Harness
from tests.abuse.sent_requests import BATCH_OF_CALLS, BATCH_OF_ONE, LOOKUP_REQUEST, MEGABYTE, closing_of, hung_up
from tests.abuse.wire import (
    BATCH,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LOOKUP,
    STREAM,
    WINDOW,
    Connection,
    frame,
)


def announced(harness: Harness, seconds: float) -> str:
    """Messages said to have 2 GiB."""
    return _calls(harness, seconds, LOOKUP, wire.message(b"x" * 1000, announced=(1 << 31) - 1))


def large(harness: Harness, seconds: float) -> str:
    """Messages of 6 MB: sound ones, with a number of that length."""
    return _calls(harness, seconds, LOOKUP, wire.message(_long_number(6 * MEGABYTE)))


def large_of_others(harness: Harness, seconds: float) -> str:
    """Send large messages in a LookupBatch."""
    lookup = _long_number(6 * MEGABYTE)
    return _calls(harness, seconds, BATCH, wire.message(b"\x0a" + wire.varint(len(lookup)) + lookup))


def _long_number(size: int) -> bytes:
    return b"\x0a" + wire.varint(size) + b"1" * size


def bomb(harness: Harness, seconds: float) -> str:
    """A megabyte that gzip makes a gigabyte of."""
    result = wire.message(_gzipped_zeros(900), compressed=True)
    return _calls(harness, seconds, LOOKUP, result, (("grpc-encoding", "gzip"),))


def bomb_of_others(harness: Harness, seconds: float) -> str:
    """Send a compressed bomb in a LookupBatch."""
    result = wire.message(_gzipped_zeros(900), compressed=True)
    return _calls(harness, seconds, BATCH, result, (("grpc-encoding", "gzip"),))


def bomb_then_identity(harness: Harness, seconds: float) -> str:
    """Send a compressed bomb with a second encoding, which is accepted."""
    return _bomb_of_two_encodings(harness, seconds, "gzip", "identity")


def bomb_after_identity(harness: Harness, seconds: float) -> str:
    """Send a compressed bomb whose first encoding is accepted."""
    return _bomb_of_two_encodings(harness, seconds, "identity", "gzip")


def _bomb_of_two_encodings(harness: Harness, seconds: float, *encodings: str) -> str:
    headers = [("grpc-encoding", each) for each in encodings]
    return _calls(harness, seconds, LOOKUP, wire.message(_gzipped_zeros(900), compressed=True), headers)


def _gzipped_zeros(megabytes: int) -> bytes:
    """Zeros in gzip's form; the same compressed megabyte again and again, since nothing in it looks back."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = deflate.compress(bytes(MEGABYTE)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + once * megabytes + b"\x03\0" + bytes(8)


def _calls(harness: Harness, seconds: float, path: str, body: bytes, more: wire.Pairs = ()) -> str:
    """Send one call again and again, its body as the windows allow."""
    headers = wire.call_headers(path, (*harness.authorization, *more))
    with Connection(harness.port) as attacker:
        attacker.socket.settimeout(3)
        attacker.greet()
        end, streams = time.monotonic() + seconds, itertools.count(1, 2)
        while time.monotonic() < end:
            stream = next(streams)
            if not attacker.send(frame(HEADERS, END_HEADERS, stream, headers)):
                return f"{hung_up(attacker)} after {stream // 2:,} calls"
            whole = attacker.send_body(stream, body, min(3, 2 * seconds))
            if not attacker.wait_ended(stream // 2 + 1, min(3, 2 * seconds)):
                return f"{closing_of(attacker)} after {stream // 2:,} calls, {'whole' if whole else 'half'} sent"
        return f"{len(attacker.ended):,} calls refused"


def never_reads(harness: Harness, seconds: float) -> str:
    """Calls whose answers may not be sent: windows of nothing, and nobody who reads."""
    return _unread(harness, seconds, LOOKUP, LOOKUP_REQUEST)


def never_reads_others(harness: Harness, seconds: float) -> str:
    lookups = [pb.LookupRequest(number=NUMBER)] * 1000
    return _unread(harness, seconds, BATCH, pb.LookupBatchRequest(lookups=lookups).SerializeToString())


def _unread(harness: Harness, seconds: float, path: str, content: bytes) -> str:
    headers = wire.call_headers(path, harness.authorization)
    with Connection(harness.port, reads=False) as attacker:
        attacker.socket.settimeout(1)
        attacker.greet((WINDOW, 0))
        result = wire.message(content)
        pieces = [result[at : at + 16_000] for at in range(0, len(result), 16_000)]
        end, streams = time.monotonic() + seconds, itertools.count(1, 2)
        while time.monotonic() < end:
            stream = next(streams)
            call = frame(HEADERS, END_HEADERS, stream, headers)
            for piece in pieces:
                call += frame(DATA, END_STREAM if piece is pieces[-1] else 0, stream, piece)
            if not attacker.send(call):
                return f"{stream // 2:,} calls taken"
        return f"{next(streams) // 2:,} calls taken"


def stream_unread(harness: Harness, seconds: float) -> str:
    """A stream of lookups whose outcomes nobody reads."""
    asked = pb.LookupStreamRequest(id="x" * 1000, lookup=pb.LookupRequest(number=NUMBER)).SerializeToString()
    result = wire.message(asked) * 15
    with Connection(harness.port, reads=False) as attacker:
        attacker.socket.settimeout(1)
        attacker.greet((WINDOW, 0))
        attacker.send(frame(HEADERS, END_HEADERS, 1, wire.call_headers(STREAM, harness.authorization)))
        end, times = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            # Its flow control is not looked at: what is sent beyond the window ends the stream, which is as good.
            if not attacker.send(frame(DATA, 0, 1, result)):
                return f"held back after {times * 15:,} lookups"
            times += 1
            time.sleep(0.001)
        return f"{times * 15:,} lookups taken"


def huge_unfinished(harness: Harness, seconds: float) -> str:
    """Messages of 100 MB on one connection, of which 20 come."""
    headers = wire.call_headers(LOOKUP, harness.authorization)
    body = wire.message(bytes(20 * MEGABYTE), announced=100 * MEGABYTE)
    with Connection(harness.port) as attacker:
        attacker.socket.settimeout(2)
        attacker.greet()
        end, streams = time.monotonic() + seconds, itertools.count(1, 2)
        while time.monotonic() < end:
            stream = next(streams)
            if not attacker.send(frame(HEADERS, END_HEADERS, stream, headers)):
                return f"closed after {stream // 2:,} messages"
            attacker.send_body(stream, body, 0.2)
        return f"{next(streams) // 2:,} messages taken"


def bad_tokens(harness: Harness, seconds: float) -> str:
    """Guess tokens, by both ways."""
    with Connection(harness.port) as attacker:
        attacker.greet()
        end, streams, guesses = time.monotonic() + seconds, itertools.count(1, 2), 0
        while time.monotonic() < end:
            for stream in itertools.islice(streams, BATCH_OF_CALLS):
                guesses += 1
                guess = (("authorization", f"Bearer didr_{stream:043}"),)
                if stream % 4 == 1:
                    attacker.ask(stream, LOOKUP, LOOKUP_REQUEST, guess)
                else:
                    attacker.ask(stream, BATCH, BATCH_OF_ONE, guess)
            if not attacker.wait_ended(guesses, 5):
                return f"{closing_of(attacker)} after {guesses:,} guesses"
        return f"{guesses:,} guesses refused"


def invented_names(harness: Harness, seconds: float) -> str:
    """Numbers, dial plans, accounts and methods that nobody heard of, each once."""
    began, count = time.monotonic(), itertools.count()
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{harness.port}", options=own) as channel:
        inbound, manager = InboundRouterStub(channel), NumberManagerStub(channel)
        while time.monotonic() < began + seconds:
            names = [f"{next(count):012}" for _ in range(100)]
            lookups = [pb.LookupRequest(number=f"+1415{name}"[:16], dial_plan="x" * 200 + name) for name in names]
            lookups += [pb.LookupRequest(number=f"1415{name}@{name}") for name in names]
            calls: list[Any] = [
                inbound.Lookup.future(each, timeout=5, metadata=harness.authorization) for each in lookups
            ]
            several = pb.LookupBatchRequest(lookups=lookups)
            calls.append(inbound.LookupBatch.future(several, timeout=5, metadata=harness.authorization))
            asked = npb.ListByAccountRequest(account_id=names[0] * 10, auth_by=names[0] * 10)
            calls.append(manager.ListByAccount.future(asked, timeout=5, metadata=harness.authorization))
            unknown: Any = channel.unary_unary(f"/x{names[0]}/y{names[1]}")
            calls.append(unknown.future(b"", timeout=5, metadata=harness.authorization))
            for each in calls:
                each.exception()
    return f"{next(count) * 2:,} numbers, as many names of dial plans"


def malformed(harness: Harness, seconds: float) -> str:
    """Send undecodable messages, and text that is not UTF-8, to several methods."""
    began, calls = time.monotonic(), 0
    own = [("grpc.use_local_subchannel_pool", 1)]
    codes: Counter[str] = Counter()
    with grpc.insecure_channel(f"127.0.0.1:{harness.port}", options=own) as channel:
        methods: list[Any] = [channel.unary_unary(each) for each in (LOOKUP, BATCH, "/router.v1.NumberManager/Create")]
        while time.monotonic() < began + seconds:
            for method in methods:
                for content in (b"\xff" * 20, b"\x0a\x03\xff\xfe\xfd", b"\x0a\x05\x0a\x03\xff\xfe\xfd"):
                    problem = method.future(content, timeout=5, metadata=harness.authorization).exception()
                    codes[problem.code().name if isinstance(problem, grpc.RpcError) else "OK"] += 1
                    calls += 1
    return f"{calls:,} calls: {', '.join(f'{count:,} {code}' for code, count in codes.items())}"
