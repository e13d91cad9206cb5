"""The admin address: plain HTTP for operators, Prometheus and health checks."""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Page = Callable[[], tuple[int, str, bytes]]
"""Answers with a status, a content type and a body."""

_LOOK = 0.05
"""Seconds after which an idle server looks whether it is to stop."""
TEXT, JSON = "text/plain; charset=utf-8", "application/json"


class AdminServer:
    """Serves some pages until stopped.

    Args:
        address: host:port.
        pages: by path.
    """

    def __init__(self, address: str, pages: Mapping[str, Page]) -> None:
        self._address = address
        self._pages = pages
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """The port that was bound."""
        return 0 if self._server is None else int(self._server.server_address[1])

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address can't be listened on.
        """
        host, _, port = self._address.rpartition(":")
        pages = self._pages

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                page = pages.get(self.path.partition("?")[0])
                if page is None:
                    known = "\n".join(sorted(pages))
                    self._send(404, TEXT, f"no such page; there are:\n{known}\n".encode())
                    return
                self._send(*page())

            def _send(self, code: int, kind: str, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                pass

        try:
            self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), Handler)
        except OSError as problem:
            raise OSError(f"can't listen on {self._address} for admin: {problem.strerror}") from None
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(_LOOK,), name="admin", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
