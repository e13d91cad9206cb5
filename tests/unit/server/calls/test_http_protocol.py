"""HTTP requests in any pieces: each method reaches the application, and each body belongs to its own request."""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from router.runtime.http_server import http_config
from router.server.calls.http_protocol import HttpProtocol

LENGTH = b"Content-Length: %d\r\n\r\n%s"
BODIES = (b"", b"{}", b"a\nFOO /x HTTP/1.1\r\n\r\n", b"\r\n\r\n")


def chunked(body: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:4], body[4:]) if part)
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass


async def serve(pieces: list[bytes]) -> tuple[list[tuple[str, bytes]], bytes]:
    """Return the requests that the application sees, and what else is written."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        seen.append((scope["method"], body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    config = http_config(app, HttpProtocol, timeout_keep_alive=60)
    config.load()
    made: Any = HttpProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    transport = Transport()
    made.connection_made(transport)
    for piece in pieces:
        made.data_received(piece)
        await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    made.connection_lost(None)
    return seen, transport.written.replace(b"HTTP/1.1 204 No Content\r\n\r\n", b"")


@given(
    st.lists(
        st.tuples(st.sampled_from(["GET", "POST", "FOO", "get", "PROPFIND"]), st.sampled_from(BODIES), st.booleans()),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_requests_in_any_pieces_are_the_same(requests: list[tuple[str, bytes, bool]], cuts: list[int]) -> None:
    stream = b"".join(
        f"{method} /x HTTP/1.1\r\nHost: a\r\n".encode() + (chunked(body) if in_chunks else LENGTH % (len(body), body))
        for method, body, in_chunks in requests
    )
    at = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[begin:end] for begin, end in itertools.pairwise(at)]

    seen, others = asyncio.run(serve(pieces))

    assert (seen, others) == ([(method, body) for method, body, _ in requests], b"")


@pytest.mark.parametrize("header", [b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Content-Length: 0\r\n"])
def test_request_beside_an_upgrade_is_answered(header: bytes) -> None:
    seen, _ = asyncio.run(serve([b"POST /x HTTP/1.1\r\n" + header + b"\r\nrest"]))

    assert seen == [("POST", b"")]
