"""A console with nothing behind it, or an instance that shows what a test gives it."""

import http.client
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from router.console.security import COOKIE
from router.console.server import ConsoleServer
from router.server.admin.pages import JSON, TEXT, AdminServer
from router.settings import Settings

NOWHERE = "127.0.0.1:1"


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    text: str


class Visitor:
    """Sends requests to a console, with a session or without."""

    def __init__(self, server: ConsoleServer, session_id: str = "") -> None:
        self.server = server
        self._host, self._port = server.address.split(":")
        self._session_id = session_id

    def log_in(self, token: str = "") -> "Visitor":
        """Return a visitor with a session, as if the services had accepted the token."""
        return Visitor(self.server, self.server.console.sessions.open(token).id)

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, headers)

    def post(self, path: str, fields: dict[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Post a form; from the console's own page, where no headers say anything else."""
        headers = {"Origin": f"http://{self.server.address}"} if headers is None else headers
        return self._ask("POST", path, {"Content-Type": "application/x-www-form-urlencoded", **headers}, fields)

    def _ask(self, method: str, path: str, headers: dict[str, str], fields: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection(self._host, int(self._port), timeout=20)
        if self._session_id:
            headers = {"Cookie": f"{COOKIE}={self._session_id}", **headers}
        connection.request(method, path, urlencode(fields or {}) if method == "POST" else None, headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)


StartConsole = Callable[..., Visitor]


@pytest.fixture
def start_console() -> Iterator[StartConsole]:
    """Starts consoles on free ports."""
    running: list[ConsoleServer] = []

    def start(**settings: Any) -> Visitor:
        given = {"console_listen": "127.0.0.1:0", "console_services": (NOWHERE,), "console_instances": (NOWHERE,)}
        server = ConsoleServer(Settings.load(None, **{**given, **settings}))
        server.start()
        running.append(server)
        return Visitor(server)

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def start_instance() -> Iterator[Callable[..., str]]:
    """Starts admin addresses that show a state and figures."""
    running: list[AdminServer] = []

    def start(state: dict[str, Any], metrics: str = "") -> str:
        pages = {
            "/state": lambda _: (200, JSON, orjson.dumps(state)),
            "/metrics": lambda _: (200, TEXT, metrics.encode()),
        }
        server = AdminServer("127.0.0.1:0", pages)
        server.start()
        running.append(server)
        return f"127.0.0.1:{server.port}"

    yield start
    for each in running:
        each.stop()


def worker_state(**more: Any) -> dict[str, Any]:
    """The state of a worker to which nothing happened."""
    follower = {
        "leader": "host:1",
        "phase": "following",
        "databases": 811,
        "complete": 811,
        "behind": 0,
        "lag": 0.0,
        "applied": 5,
        "feeds": 3,
        "copies_pending": 0,
        "lags": {},
        "age_seconds": 0.4,
    }
    why = "both stores answer and the follower is up to date"
    state = {"state": "ready", "why": why, "redis": True, "database": True, "stale": False, "uptime_seconds": 60.0}
    return state | {"follower": follower | more.pop("follower", {})} | more
