"""What a hostile caller may try. Each attack says in words what became of it."""

import itertools
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import grpc

from router.v1 import inbound_pb2 as pb
from router.v1 import numbers_pb2 as npb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from router.v1.numbers_pb2_grpc import NumberManagerStub
from tests.hostile import tls, wire
from tests.hostile.attack import Attack, together
from tests.hostile.scene import NUMBER, TLS, Scene
from tests.hostile.wire import (
    ACK,
    BATCH,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LOOKUP,
    PING,
    PREFACE,
    RST_STREAM,
    STREAM,
    WINDOW,
    Connection,
    frame,
)

MEGABYTE = 1 << 20
_AT_A_TIME = 50
ASKS = pb.LookupRequest(number=NUMBER).SerializeToString()
_ASKS_FOR_ONE = pb.LookupBatchRequest(lookups=[pb.LookupRequest(number=NUMBER)]).SerializeToString()


def _flood(scene: Scene, seconds: float, what: bytes, count: int, *, reads: bool = True) -> str:
    """Send the same again and again, `count` of something each time."""
    with Connection(scene.port, reads=reads) as attacker:
        attacker.socket.settimeout(0.5)
        attacker.greet()
        end, times = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            if not attacker.send(what):
                return f"{_hung_up(attacker)} after {times * count:,}"
            times += 1
        return f"{times * count:,} taken"


def _hung_up(attacker: Connection) -> str:
    return "closed" if attacker.closed.wait(0.1) else "not read any more"


def _left(attacker: Connection) -> str:
    return "closed" if attacker.closed.wait(0.1) else "no answer"


def _rapid_reset(scene: Scene, seconds: float, path: str, content: bytes) -> str:
    headers = wire.call_headers(path, scene.authorization)
    body = frame(DATA, END_STREAM, 0, wire.message(content)) if content else b""
    with Connection(scene.port) as attacker:
        attacker.greet()
        end, streams = time.monotonic() + seconds, itertools.count(1, 2)
        while time.monotonic() < end:
            result = bytearray()
            for stream in itertools.islice(streams, _AT_A_TIME):
                result += frame(HEADERS, END_HEADERS, stream, headers)
                result += body[:5] + struct.pack(">I", stream) + body[9:] if body else b""
                result += frame(RST_STREAM, 0, stream, struct.pack(">I", 8))
            if not attacker.send(bytes(result)):
                return f"{next(streams) // 2:,} resets taken, then closed"
        return f"{next(streams) // 2:,} resets taken"


def rapid_reset(scene: Scene, seconds: float) -> str:
    """CVE-2023-44487: calls that are taken back at once."""
    return _rapid_reset(scene, seconds, LOOKUP, ASKS)


def rapid_reset_of_others(scene: Scene, seconds: float) -> str:
    """The same with a method that native passes on."""
    return _rapid_reset(scene, seconds, BATCH, _ASKS_FOR_ONE)


def rapid_reset_without_bodies(scene: Scene, seconds: float) -> str:
    return _rapid_reset(scene, seconds, LOOKUP, b"")


def rapid_reset_by_5(scene: Scene, seconds: float) -> str:
    return together(5, lambda: _rapid_reset(scene, seconds, LOOKUP, ASKS))


def rapid_reset_by_20(scene: Scene, seconds: float) -> str:
    return together(20, lambda: _rapid_reset(scene, seconds, BATCH, _ASKS_FOR_ONE))


def pings(scene: Scene, seconds: float) -> str:
    return _flood(scene, seconds, frame(PING, 0, 0, b"12345678") * 1000, 1000)


def pings_unread(scene: Scene, seconds: float) -> str:
    return _flood(scene, seconds, frame(PING, 0, 0, b"12345678") * 1000, 1000, reads=False)


def settings_flood(scene: Scene, seconds: float) -> str:
    return _flood(scene, seconds, wire.settings((WINDOW, 65_535), (1, 4096)) * 1000, 1000)


def settings_unread(scene: Scene, seconds: float) -> str:
    return _flood(scene, seconds, wire.settings((WINDOW, 65_535), (1, 4096)) * 1000, 1000, reads=False)


def unknown_frames(scene: Scene, seconds: float) -> str:
    return _flood(scene, seconds, frame(0xFA, 0, 0, b"x" * 16) * 1000, 1000)


def empty_data(scene: Scene, seconds: float) -> str:
    """DATA frames without data, in one call."""
    with Connection(scene.port) as attacker:
        attacker.greet()
        attacker.send(frame(HEADERS, END_HEADERS, 1, wire.call_headers(LOOKUP, scene.authorization)))
        end, times = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            if not attacker.send(frame(DATA, 0, 1) * 1000):
                return f"closed after {times * 1000:,}"
            times += 1
        return f"{times * 1000:,} taken"


def continuation(scene: Scene, seconds: float) -> str:
    """A header block that never ends."""
    piece = frame(CONTINUATION, 0, 1, wire.block([("x-more", "v" * 900)] * 17))
    with Connection(scene.port, acknowledges=False) as attacker:  # no other frame may come in between
        attacker.greet()
        attacker.send(frame(HEADERS, 0, 1, wire.call_headers(LOOKUP)))
        end, times = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            if not attacker.send(piece):
                return f"closed after {times:,} frames"
            times += 1
        return f"{times:,} frames taken"


def many_headers(scene: Scene, seconds: float) -> str:
    """Calls with 20,000 metadata each."""
    content = wire.call_headers(LOOKUP, scene.authorization) + wire.block((f"x-{i}", "v") for i in range(20_000))
    return _headers(scene, seconds, content)


def huge_header(scene: Scene, seconds: float) -> str:
    """Calls with one metadata of a megabyte."""
    return _headers(scene, seconds, wire.call_headers(LOOKUP, ((*scene.authorization, ("x-huge", "v" * MEGABYTE)))))


def header_bomb(scene: Scene, seconds: float) -> str:
    """One field of 4 kB goes into HPACK's table, and is then named 15,000 times, a byte each: 60 MB of headers."""
    kept = b"\x40" + wire.block([("x-bomb", "v" * 3900)])[1:]
    return _headers(scene, seconds, wire.call_headers(LOOKUP, scene.authorization) + kept + b"\xbe" * 15_000)


def _headers(scene: Scene, seconds: float, content: bytes) -> str:
    pieces = [content[at : at + 16_000] for at in range(0, len(content), 16_000)]
    with Connection(scene.port) as attacker:
        attacker.greet()
        end, streams = time.monotonic() + seconds, itertools.count(1, 2)
        while time.monotonic() < end:
            stream = next(streams)
            result = frame(HEADERS, END_STREAM | (END_HEADERS if len(pieces) == 1 else 0), stream, pieces[0])
            for index, piece in enumerate(pieces[1:], 2):
                result += frame(CONTINUATION, END_HEADERS if index == len(pieces) else 0, stream, piece)
            if not attacker.send(result) or not attacker.wait_ended(stream // 2 + 1, min(2, 2 * seconds)):
                return f"{_left(attacker)} after {stream // 2:,} calls"
        return f"{len(attacker.ended):,} calls refused"


def silent(scene: Scene, seconds: float) -> str:
    return _many(scene, seconds, 200, b"")


def only_preface(scene: Scene, seconds: float) -> str:
    return _many(scene, seconds, 200, PREFACE)


def half_a_header(scene: Scene, seconds: float) -> str:
    whole = frame(HEADERS, END_HEADERS, 1, wire.call_headers(LOOKUP, scene.authorization))
    return _many(scene, seconds, 200, PREFACE + wire.settings() + whole[: len(whole) // 2])


def endless_body(scene: Scene, seconds: float) -> str:
    """Calls whose message never comes to its end, 500 on each of 4 connections."""
    return _many(scene, seconds, 4, PREFACE + wire.settings() + _endless(scene, LOOKUP, 500))


def endless_body_of_others(scene: Scene, seconds: float) -> str:
    return _many(scene, seconds, 4, PREFACE + wire.settings() + _endless(scene, BATCH, 500))


def _endless(scene: Scene, path: str, count: int) -> bytes:
    headers = wire.call_headers(path, scene.authorization)
    beginning = wire.message(ASKS, announced=1000)
    return b"".join(
        frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, 0, stream, beginning)
        for stream in range(1, 2 * count, 2)
    )


def idle(scene: Scene, seconds: float) -> str:
    return _many(scene, seconds, 1000, PREFACE + wire.settings())


def _many(scene: Scene, seconds: float, count: int, result: bytes) -> str:
    with ExitStack() as stack:
        attackers = [stack.enter_context(socket.socket()) for _ in range(count)]
        refused = 0
        for each in attackers:
            each.settimeout(2)
            try:
                each.connect(("127.0.0.1", scene.port))
                each.sendall(result)
            except OSError:
                refused += 1
        time.sleep(seconds)
        closed = sum(map(_is_closed, attackers)) - refused
        return f"{count - refused - closed:,} connections stand, {closed:,} closed" + (
            f", {refused:,} refused" if refused else ""
        )


def _is_closed(each: socket.socket) -> bool:
    each.settimeout(0)
    try:
        while got := each.recv(1 << 16):
            del got
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def announced(scene: Scene, seconds: float) -> str:
    """Messages said to have 2 GiB."""
    return _calls(scene, seconds, LOOKUP, wire.message(b"x" * 1000, announced=(1 << 31) - 1))


def large(scene: Scene, seconds: float) -> str:
    """Messages of 6 MB: sound ones, with a number of that length."""
    return _calls(scene, seconds, LOOKUP, wire.message(_long_number(6 * MEGABYTE)))


def large_of_others(scene: Scene, seconds: float) -> str:
    """The same in a LookupBatch."""
    lookup = _long_number(6 * MEGABYTE)
    return _calls(scene, seconds, BATCH, wire.message(b"\x0a" + wire.varint(len(lookup)) + lookup))


def _long_number(size: int) -> bytes:
    return b"\x0a" + wire.varint(size) + b"1" * size


def bomb(scene: Scene, seconds: float) -> str:
    """A megabyte that gzip makes a gigabyte of."""
    result = wire.message(_gzipped_zeros(900), compressed=True)
    return _calls(scene, seconds, LOOKUP, result, (("grpc-encoding", "gzip"),))


def bomb_of_others(scene: Scene, seconds: float) -> str:
    """The same in a LookupBatch."""
    result = wire.message(_gzipped_zeros(900), compressed=True)
    return _calls(scene, seconds, BATCH, result, (("grpc-encoding", "gzip"),))


def _gzipped_zeros(megabytes: int) -> bytes:
    """Zeros in gzip's form; the same compressed megabyte again and again, since nothing in it looks back."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = deflate.compress(bytes(MEGABYTE)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + once * megabytes + b"\x03\0" + bytes(8)


def _calls(scene: Scene, seconds: float, path: str, body: bytes, more: wire.Pairs = ()) -> str:
    """The same call again and again, its body sent as the windows allow."""
    headers = wire.call_headers(path, (*scene.authorization, *more))
    with Connection(scene.port) as attacker:
        attacker.socket.settimeout(3)
        attacker.greet()
        end, streams = time.monotonic() + seconds, itertools.count(1, 2)
        while time.monotonic() < end:
            stream = next(streams)
            if not attacker.send(frame(HEADERS, END_HEADERS, stream, headers)):
                return f"{_hung_up(attacker)} after {stream // 2:,} calls"
            whole = attacker.send_body(stream, body, min(3, 2 * seconds))
            if not attacker.wait_ended(stream // 2 + 1, min(3, 2 * seconds)):
                return f"{_left(attacker)} after {stream // 2:,} calls, {'whole' if whole else 'half'} sent"
        return f"{len(attacker.ended):,} calls refused"


def noise(scene: Scene, seconds: float) -> str:
    """100 kB of noise, on many connections, some after a preface."""
    rubbish = bytes(itertools.islice(itertools.cycle(range(251)), 100_000))
    return _again(scene, seconds, rubbish, PREFACE + rubbish, PREFACE + wire.settings() + rubbish)


def other_protocols(scene: Scene, seconds: float) -> str:
    return _again(
        scene,
        seconds,
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\n\r\n",
        bytes.fromhex("160301020001000100") + b"\0" * 300,
    )


def bad_windows(scene: Scene, seconds: float) -> str:
    """Window updates that overflow, and that add nothing."""
    begun = PREFACE + wire.settings()
    return _again(
        scene,
        seconds,
        begun + wire.window_update(0, (1 << 31) - 1) * 3,
        begun + wire.window_update(0, 0),
        begun + wire.settings((WINDOW, 1 << 31)),
        begun + frame(DATA, ACK, 0, b"1234"),
    )


def hang_up(scene: Scene, seconds: float) -> str:
    """Connect, ask, and hang up without waiting."""
    return _again(scene, seconds, _at_once(scene), wait=0)


def hang_up_together(scene: Scene, seconds: float) -> str:
    """The same, 20 at a time."""
    return together(20, lambda: hang_up(scene, seconds))


def hang_up_from_everywhere(scene: Scene, seconds: float) -> str:
    """The same from 200 addresses."""
    sources = itertools.cycle(f"127.0.9.{host}" for host in range(1, 201))
    return together(20, lambda: _again(scene, seconds, _at_once(scene), wait=0, sources=sources))


def _at_once(scene: Scene) -> bytes:
    call = frame(HEADERS, END_HEADERS, 1, wire.call_headers(LOOKUP, scene.authorization))
    call += frame(DATA, END_STREAM, 1, wire.message(ASKS))
    return PREFACE + wire.settings() + call


def _again(
    scene: Scene,
    seconds: float,
    *all_reported: bytes,
    wait: float = 1,
    sources: Iterable[str] = itertools.repeat("127.0.0.1"),
) -> str:
    end, closed, stood = time.monotonic() + seconds, 0, 0
    for result, source in zip(itertools.cycle(all_reported), sources, strict=False):
        if time.monotonic() > end:
            break
        with Connection(scene.port, reads=bool(wait), source=source) as attacker:
            attacker.send(result)
            if attacker.closed.wait(wait):
                closed += 1
            else:
                stood += 1
    if not wait:
        return f"{stood:,} connections made"
    return f"{closed:,} connections closed" + (f", {stood:,} not within a second" if stood and wait else "")


def never_reads(scene: Scene, seconds: float) -> str:
    """Calls whose answers may not be sent: windows of nothing, and nobody who reads."""
    return _unread(scene, seconds, LOOKUP, ASKS)


def never_reads_others(scene: Scene, seconds: float) -> str:
    lookups = [pb.LookupRequest(number=NUMBER)] * 1000
    return _unread(scene, seconds, BATCH, pb.LookupBatchRequest(lookups=lookups).SerializeToString())


def _unread(scene: Scene, seconds: float, path: str, content: bytes) -> str:
    headers = wire.call_headers(path, scene.authorization)
    with Connection(scene.port, reads=False) as attacker:
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


def stream_unread(scene: Scene, seconds: float) -> str:
    """A stream of lookups whose outcomes nobody reads."""
    asked = pb.LookupStreamRequest(id="x" * 1000, lookup=pb.LookupRequest(number=NUMBER)).SerializeToString()
    result = wire.message(asked) * 15
    with Connection(scene.port, reads=False) as attacker:
        attacker.socket.settimeout(1)
        attacker.greet((WINDOW, 0))
        attacker.send(frame(HEADERS, END_HEADERS, 1, wire.call_headers(STREAM, scene.authorization)))
        end, times = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            # Its flow control is not looked at: what is sent beyond the window ends the stream, which is as good.
            if not attacker.send(frame(DATA, 0, 1, result)):
                return f"held back after {times * 15:,} lookups"
            times += 1
            time.sleep(0.001)
        return f"{times * 15:,} lookups taken"


def huge_unfinished(scene: Scene, seconds: float) -> str:
    """Messages of 100 MB on one connection, of which 20 come."""
    headers = wire.call_headers(LOOKUP, scene.authorization)
    body = wire.message(bytes(20 * MEGABYTE), announced=100 * MEGABYTE)
    with Connection(scene.port) as attacker:
        attacker.socket.settimeout(2)
        attacker.greet()
        end, streams = time.monotonic() + seconds, itertools.count(1, 2)
        while time.monotonic() < end:
            stream = next(streams)
            if not attacker.send(frame(HEADERS, END_HEADERS, stream, headers)):
                return f"closed after {stream // 2:,} messages"
            attacker.send_body(stream, body, 0.2)
        return f"{next(streams) // 2:,} messages taken"


def bad_tokens(scene: Scene, seconds: float) -> str:
    """Guess tokens, by both ways."""
    with Connection(scene.port) as attacker:
        attacker.greet()
        end, streams, guesses = time.monotonic() + seconds, itertools.count(1, 2), 0
        while time.monotonic() < end:
            for stream in itertools.islice(streams, _AT_A_TIME):
                guesses += 1
                guess = (("authorization", f"Bearer didr_{stream:043}"),)
                if stream % 4 == 1:
                    attacker.ask(stream, LOOKUP, ASKS, guess)
                else:
                    attacker.ask(stream, BATCH, _ASKS_FOR_ONE, guess)
            if not attacker.wait_ended(guesses, 5):
                return f"{_left(attacker)} after {guesses:,} guesses"
        return f"{guesses:,} guesses refused"


def invented_names(scene: Scene, seconds: float) -> str:
    """Numbers, dial plans, accounts and methods that nobody heard of, each once."""
    began, count = time.monotonic(), itertools.count()
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{scene.port}", options=own) as channel:
        inbound, manager = InboundRouterStub(channel), NumberManagerStub(channel)
        while time.monotonic() < began + seconds:
            names = [f"{next(count):012}" for _ in range(100)]
            lookups = [pb.LookupRequest(number=f"+1415{name}"[:16], dial_plan="x" * 200 + name) for name in names]
            lookups += [pb.LookupRequest(number=f"1415{name}@{name}") for name in names]
            calls: list[Any] = [
                inbound.Lookup.future(each, timeout=5, metadata=scene.authorization) for each in lookups
            ]
            several = pb.LookupBatchRequest(lookups=lookups)
            calls.append(inbound.LookupBatch.future(several, timeout=5, metadata=scene.authorization))
            asked = npb.ListByAccountRequest(account_id=names[0] * 10, auth_by=names[0] * 10)
            calls.append(manager.ListByAccount.future(asked, timeout=5, metadata=scene.authorization))
            unknown: Any = channel.unary_unary(f"/x{names[0]}/y{names[1]}")
            calls.append(unknown.future(b"", timeout=5, metadata=scene.authorization))
            for each in calls:
                each.exception()
    return f"{next(count) * 2:,} numbers, as many names of dial plans"


def malformed(scene: Scene, seconds: float) -> str:
    """What is no message, and text that is not UTF-8, to several methods."""
    began, calls = time.monotonic(), 0
    own = [("grpc.use_local_subchannel_pool", 1)]
    codes: Counter[str] = Counter()
    with grpc.insecure_channel(f"127.0.0.1:{scene.port}", options=own) as channel:
        methods: list[Any] = [channel.unary_unary(each) for each in (LOOKUP, BATCH, "/router.v1.NumberManager/Create")]
        while time.monotonic() < began + seconds:
            for method in methods:
                for content in (b"\xff" * 20, b"\x0a\x03\xff\xfe\xfd", b"\x0a\x05\x0a\x03\xff\xfe\xfd"):
                    problem = method.future(content, timeout=5, metadata=scene.authorization).exception()
                    codes[problem.code().name if isinstance(problem, grpc.RpcError) else "OK"] += 1
                    calls += 1
    return f"{calls:,} calls: {', '.join(f'{count:,} {code}' for code, count in codes.items())}"


ATTACKS = (
    Attack("rapid reset", rapid_reset),
    Attack("rapid reset, LookupBatch", rapid_reset_of_others),
    Attack("rapid reset, no bodies", rapid_reset_without_bodies, quick=False),
    Attack("rapid reset, 5 connections", rapid_reset_by_5, 128, quick=False),
    Attack("rapid reset, LookupBatch, 20 connections", rapid_reset_by_20, 128, quick=False),
    Attack("ping flood", pings),
    Attack("ping flood, answers unread", pings_unread, quick=False),
    Attack("settings flood", settings_flood),
    Attack("settings flood, answers unread", settings_unread, quick=False),
    Attack("unknown frames", unknown_frames),
    Attack("empty DATA frames", empty_data, quick=False),
    Attack("CONTINUATION flood", continuation),
    Attack("20,000 metadata", many_headers, quick=False),
    Attack("a metadata of 1 MB", huge_header, quick=False),
    Attack("HPACK bomb", header_bomb),
    Attack("200 connections, nothing said", silent, quick=False),
    Attack("200 connections, a preface, then nothing", only_preface, quick=False),
    Attack("200 connections, half a HEADERS frame", half_a_header, quick=False),
    Attack("2,000 endless requests", endless_body, 128, quick=False),
    Attack("2,000 endless requests, LookupBatch", endless_body_of_others, 128, quick=False),
    Attack("1,000 idle connections", idle, 300, quick=False),
    Attack("messages announcing 2 GiB", announced),
    Attack("messages of 6 MB", large),
    Attack("messages of 6 MB, LookupBatch", large_of_others, quick=False),
    Attack("20 MB each of messages of 100 MB", huge_unfinished, 400),
    Attack("gzip bomb", bomb, quick=False),
    Attack("gzip bomb, LookupBatch", bomb_of_others, quick=False),
    Attack("malformed messages", malformed),
    Attack("noise", noise),
    Attack("other protocols", other_protocols),
    Attack("impossible windows", bad_windows, quick=False),
    Attack("hang up at once", hang_up, 256, quick=False),
    Attack("hang up at once, 20 at a time", hang_up_together, 256, quick=False),
    Attack("hang up at once, from 200 addresses", hang_up_from_everywhere, 256, quick=False),
    Attack("answers never read", never_reads),
    Attack("answers never read, LookupBatch", never_reads_others, quick=False),
    Attack("a stream never read", stream_unread),
    Attack("guessed tokens", bad_tokens),
    Attack("invented names", invented_names, 128),
)


def attacks_on(front: str) -> Sequence[Attack]:
    """Those that a front has to stand: what is said inside of TLS is the same HTTP/2."""
    return tls.ATTACKS if front == TLS else ATTACKS
