"""A carrier that takes orders over HTTP, on a real socket, and fails when told to in the ways that carriers fail."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from router.manager.carriers.other import KEY_HEADER


class CarrierServer(ThreadingHTTPServer):
    """Counts what it sold.

    Attributes:
        script: what it does to one request after the other; then it answers as it should. Of a POST:
            `answer`, `pending` (taken, not done), `refuse` (402), `refused`, `moved`, `busy` (429), `down` (503),
            `fail` (500, taken), `garbage` (taken), `cut` (not taken), `take_and_cut`, `take_and_hang`, `hang`, `drip`;
            of a GET: `answer`, `down`, `cut`, `lost` (a proxy's 404).
        sold: the number of each order that was taken, so many times as it was.
        requests: method, path, body and idempotency key of all that came.
        forgets_keys: it takes an order again under a key that it knows.
    """

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[str] = []
        self.sold: list[str] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any, str | None]] = []
        self.headers: list[dict[str, str]] = []
        self.forgets_keys = False
        self.refusal_body: Any = {"message": "the number is taken"}
        self.over = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api"

    def take(self, body: dict[str, Any], act: str) -> dict[str, Any]:
        """Sell, once for each key."""
        status = "pending" if act == "pending" else "completed"
        key = body["idempotency_key"]
        with self.lock:
            if key not in self.orders or self.forgets_keys:
                self.sold.append(body["number"])
                self.orders[key] = {"status": status, "order_id": f"o{len(self.sold)}", "data": {"rate": "7"}}
            return self.orders[key]

    def posts(self) -> int:
        """Return the count of orders sent."""
        return sum(method == "POST" for method, *_ in self.requests)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


@contextmanager
def carrier_server() -> Iterator[CarrierServer]:
    """Listens on a port of its own."""
    server = CarrierServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


_NOT_TAKEN: dict[str, tuple[int, Any]] = {
    "refused": (200, {"status": "refused", "message": "no such area"}),
    "busy": (429, {"error": "slow down"}),
    "down": (503, "<html>Bad gateway</html>"),
    "moved": (302, "elsewhere"),
}


class _Handler(BaseHTTPRequestHandler):
    server: CarrierServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        act = self._act(body)
        if act in _NOT_TAKEN:
            self._answer(*_NOT_TAKEN[act])
            return
        if act == "late":
            self.server.over.wait(1)
        order = {} if act in {"refuse", "cut", "hang"} else self.server.take(body, act)
        match act:
            case "refuse":
                self._answer(402, self.server.refusal_body)
            case "fail":
                self._answer(500, {"error": "out of memory"})
            case "garbage":
                self._answer(200, "<html>welcome</html>")
            case "drip":
                self._drip()
            case "cut" | "hang" | "take_and_cut" | "take_and_hang":
                self._fall_silent(cut=act.endswith("cut"))
            case _:
                self._answer(200, order)

    def do_GET(self) -> None:
        match self._act(None):
            case "down":
                self._answer(503, "<html>Bad gateway</html>")
            case "lost":
                self._answer(404, "<html>nothing here</html>")
            case "cut":
                self._fall_silent(cut=True)
            case _:
                order = self.server.orders.get(unquote(self.path.rpartition("/")[2]))
                self._answer(200 if order else 404, order or {"message": "no such order"})

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _act(self, body: Any) -> str:
        with self.server.lock:
            self.server.requests.append((self.command, self.path, body, self.headers.get(KEY_HEADER)))
            self.server.headers.append(dict(self.headers))
            return self.server.script.pop(0) if self.server.script else "answer"

    def _answer(self, status: int, result: Any) -> None:
        raw = result.encode() if isinstance(result, str) else json.dumps(result).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(b" ")
            time.sleep(0.05)

    def _fall_silent(self, *, cut: bool) -> None:
        if not cut:
            self.server.over.wait(30)
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True
