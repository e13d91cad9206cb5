"""HTTP/2 by hand: what no client library sends.

Frames and header blocks as RFC 9113 and RFC 7541 write them; nothing is checked and nothing is compressed.
"""

import contextlib
import itertools
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
LOOKUP = "/router.v1.InboundRouter/Lookup"
BATCH = "/router.v1.InboundRouter/LookupBatch"
STREAM = "/router.v1.InboundRouter/LookupStream"
NOISE = bytes(itertools.islice(itertools.cycle(range(251)), 100_000))
WINDOW, MOST_STREAMS = 4, 3
"""Settings: the initial window of a stream, and how many may be open."""

_HEAD = 9
_PLENTY = (1 << 31) - 1 - 65_535

Pairs = Sequence[tuple[str, str]]


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def settings(*pairs: tuple[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", name, value) for name, value in pairs))


def window_update(stream: int, more: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", more))


def message(content: bytes, *, compressed: bool = False, announced: int | None = None) -> bytes:
    """A gRPC message with its five bytes in front."""
    return struct.pack(">BI", compressed, len(content) if announced is None else announced) + content


def block(pairs: Iterable[tuple[str, str]]) -> bytes:
    """A header block: each field literal, never indexed, without Huffman's code."""
    return b"".join(b"\0" + _text(name.encode()) + _text(value.encode("latin-1")) for name, value in pairs)


def call_headers(path: str, more: Pairs = ()) -> bytes:
    """The header block of a gRPC call."""
    usual = ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "hostile"))
    return block((*usual, ("te", "trailers"), ("content-type", "application/grpc"), *more))


def _text(content: bytes) -> bytes:
    return integer(len(content), 7) + content


def integer(value: int, bits: int, flags: int = 0) -> bytes:
    """HPACK's integer with a prefix of so many bits."""
    maximum = (1 << bits) - 1
    return bytes([flags | value]) if value < maximum else bytes([flags | maximum]) + varint(value - maximum)


def varint(value: int) -> bytes:
    """An integer seven bits at a time, as HPACK and protobuf write it."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Connection:
    """One TCP connection on which anything may be said.

    Args:
        acknowledges: the server's settings, which he has to before they count.
        source: this machine's address that it comes from.
        reads: take what the server says, and count its frames; else its words stay in the kernel's buffers.

    Attributes:
        frames: how many of each kind the server sent.
        ended: streams that the server has ended.
        words: what it said in header blocks and in farewells, undecoded.
        closed: the server hung up.
        most_streams: that it allows; 0 where it did not say.
        answers_pings: as long as it is set; at first it is not.
    """

    def __init__(self, port: int, *, reads: bool = True, acknowledges: bool = True, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._acknowledges = acknowledges
        self.frames: Counter[int] = Counter()
        self.ended: set[int] = set()
        self.header_bytes = b""
        self.closed = threading.Event()
        self.most_streams = 0
        self.answers_pings = False
        self._whole = threading.Lock()
        """Frames of two threads must not mix."""
        self._spoke = threading.Event()
        self._changed = threading.Condition()
        self._initial = self._window = 65_535
        self._used: Counter[int] = Counter()
        """The bytes that each stream has used of its own window, less those added to it."""
        if reads:
            threading.Thread(target=self._read, daemon=True).start()

    def greet(self, *pairs: tuple[int, int]) -> Self:
        """The preface and settings."""
        self.send(PREFACE + settings(*pairs) + window_update(0, _PLENTY))
        return self

    def send(self, content: bytes) -> bool:
        """Say something; False when the server does not listen any more, or does not take it within the socket's
        patience.
        """
        try:
            with self._whole:
                self.socket.sendall(content)
            self._spoke.set()
        except OSError:
            return False
        return not self.closed.is_set()

    def ask(self, stream: int, path: str, content: bytes, more: Pairs = ()) -> bool:
        """A whole call."""
        return self.send(
            frame(HEADERS, END_HEADERS, stream, call_headers(path, more))
            + frame(DATA, END_STREAM, stream, message(content))
        )

    def send_body(self, stream: int, content: bytes, seconds: float) -> bool:
        """A call's whole body, as the server's windows have room for it; False when it ended the stream before, or had
        no room in time.
        """
        end, at = time.monotonic() + seconds, 0
        while at < len(content):
            size = self._room(stream, end)
            if size <= 0:
                return False
            piece = content[at : at + size]
            at += size
            if not self.send(frame(DATA, END_STREAM if at >= len(content) else 0, stream, piece)):
                return False
        return True

    def _room(self, stream: int, end: float) -> int:
        """Bytes that may be sent now, taken off the windows; 0 when there is no room in time."""
        with self._changed:
            while True:
                room = min(16_384, self._window, self._initial - self._used[stream])
                if room > 0:
                    self._window -= room
                    self._used[stream] += room
                    return room
                left = end - time.monotonic()
                if left <= 0 or stream in self.ended or self.closed.is_set():
                    return 0
                self._changed.wait(min(left, 0.1))

    def wait_ended(self, streams: int, seconds: float) -> bool:
        """Wait until the server has ended so many streams, or hung up."""
        end = time.monotonic() + seconds
        while len(self.ended) < streams and not self.closed.is_set():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        held = bytearray()
        with contextlib.suppress(OSError):
            while True:
                try:
                    got = self.socket.recv(1 << 18)
                except TimeoutError:
                    continue
                if not got:
                    break
                held += got
                self._take(held)
        self.closed.set()

    def _take(self, held: bytearray) -> None:
        at = 0
        while len(held) - at >= _HEAD:
            size = int.from_bytes(held[at : at + 3])
            if len(held) - at < _HEAD + size:
                break
            kind, flags, stream = held[at + 3], held[at + 4], int.from_bytes(held[at + 5 : at + 9])
            content = bytes(held[at + _HEAD : at + _HEAD + size])
            self.frames[kind] += 1
            if kind == RST_STREAM or (kind in {DATA, HEADERS} and flags & END_STREAM):
                self.ended.add(stream)
            if kind == WINDOW_UPDATE or (kind == SETTINGS and not flags & ACK):
                self._take_window(kind, stream, content)
            if kind == PING and not flags & ACK and self.answers_pings:
                self.send(frame(PING, ACK, 0, content))
            if kind in {HEADERS, GOAWAY} and len(self.header_bytes) < 1 << 16:
                self.header_bytes += content
            at += _HEAD + size
        del held[:at]

    def _take_window(self, kind: int, stream: int, content: bytes) -> None:
        with self._changed:
            if kind == SETTINGS:
                reported = dict(struct.iter_unpack(">HI", content))
                if self._acknowledges and self._spoke.wait(5):  # the preface comes first
                    self.send(frame(SETTINGS, ACK, 0))  # they don't count before that
                self._initial = reported.get(WINDOW, self._initial)
                self.most_streams = reported.get(MOST_STREAMS, self.most_streams)
            elif stream:
                self._used[stream] -= int.from_bytes(content)
            else:
                self._window += int.from_bytes(content)
            self._changed.notify_all()


def is_closed(connection: socket.socket) -> bool:
    """Return whether the service has closed a connection, and throw away what it has sent."""
    connection.setblocking(False)
    try:
        while connection.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
