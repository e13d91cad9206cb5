"""Responses of servers that are no CouchDB, or that fail: each becomes an error of `router.couch.errors`."""

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from router.couch.client import CouchClient
from router.couch.errors import (
    BadResponseError,
    CouchRefused,
    CouchUnavailable,
)
from router.couch.server import CouchServer


class _Page(http.server.BaseHTTPRequestHandler):
    status, kind, body = 200, "text/html", b"<html>It works!</html>"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _web_server(status: int, kind: str, body: bytes) -> Iterator[CouchServer]:
    page = type("Page", (_Page,), {"status": status, "kind": kind, "body": body})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield CouchServer(CouchClient(f"http://127.0.0.1:{server.server_address[1]}", timeout=5.0))
    server.shutdown()
    server.server_close()


ANSWERS = [
    (200, "text/html", b"<html>It works!</html>"),
    (200, "application/json", b"<html>It works!</html>"),
    (200, "application/json", b""),
    (200, "application/json", b"null"),
    (200, "application/json", b"7"),
    (200, "application/json", b'{"hello": "world"}'),
    (200, "application/json", b"[1, 2]"),
    (200, "application/json", b'{"rows": 1, "results": 2, "last_seq": {}}'),
    (200, "application/json", b'{"rows": [1, {}], "results": [1], "last_seq": 1}'),
]


NOT_FOUNDS = [
    ("text/html", b"<html>Not Found</html>"),
    ("text/html", b""),
    ("application/json", b""),
    ("application/json", b"[]"),
    ("application/json", b"7"),
    ("application/json", b"{"),
    ("application/json", b"{}"),
    ("application/json", b'{"error": "no such route"}'),
]


@pytest.mark.parametrize(("status", "kind", "body"), ANSWERS)
def test_another_web_server_is_a_bad_answer(status: int, kind: str, body: bytes) -> None:
    with _web_server(status, kind, body) as databases:
        with pytest.raises(BadResponseError):
            databases.version()
        with pytest.raises(BadResponseError):
            databases.database("numbers/+1415").changes("0", 10)


@pytest.mark.parametrize(("kind", "body"), NOT_FOUNDS)
def test_proxys_404_is_no_missing_number_and_no_missing_database(kind: str, body: bytes) -> None:
    with _web_server(404, kind, body) as databases:
        for ask in (
            databases.version,
            databases.names,
            lambda: databases.database("numbers/+1415").info(),
            lambda: databases.database("numbers/+1415").get("+14158867900"),
            lambda: databases.database("numbers/+1415").get_many(["+14158867900", "+14158867901"]),
            lambda: databases.database("numbers/+1415").put({"_id": "+14158867900"}),
        ):
            with pytest.raises(BadResponseError):
                ask()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failing_server_is_unavailable(status: int) -> None:
    page = _web_server(status, "text/html", b"<html>proxy error</html>")
    with page as databases, pytest.raises(CouchUnavailable, match=str(status)):
        databases.database("numbers/+1415").get("+14158867900")


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_without_couchdbs_words_is_a_refusal(status: int) -> None:
    with _web_server(status, "text/html", b"<html>Go away</html>") as databases, pytest.raises(CouchRefused):
        databases.names()


def test_server_that_speaks_no_http_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            client.recv(1000)
            client.sendall(b"-ERR unknown command 'GET'\r\n")
            client.close()

        threading.Thread(target=serve, daemon=True).start()
        databases = CouchServer(CouchClient(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=5.0))
        with pytest.raises(CouchUnavailable):
            databases.version()


@pytest.mark.parametrize("size", [b"ffffffffffff", b"7fffffffffffff00"])
def test_chunk_beyond_any_memory_is_unavailable_for_one_call(size: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n" + b'{"version":"3.5"}'
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in (head + size + b"\r\n{", whole):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        couch = CouchClient(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=20)
        with pytest.raises(CouchUnavailable):
            couch.request("GET", [])
        assert couch.request("GET", []) == {"version": "3.5"}
