"""An HTTP client that keeps its connection, and counts how many it needed."""

import http.client
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Reply:
    """One response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("ascii")

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class HttpLookupClient:
    """Sends requests over one connection, as long as the service keeps it."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._token = token
        self.connections = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        return self.request("GET", path, None, headers)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Reply:
        return self.request("POST", path, json.dumps(body).encode(), headers)

    def request(self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None = None) -> Reply:
        shown = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        if self._connection.sock is None:
            self.connections += 1
        self._connection.request(method, path, body, {**shown, **(headers or {})})
        response = self._connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, found, response.read())
