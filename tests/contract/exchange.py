"""Plain HTTP to a CouchDB, so that no client library hides a part of the response from a test."""

import base64
import json
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote, unquote, urlsplit


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str, str]:
        return self.status, self.json["error"], self.json["reason"]


class Couch:
    """One kept-alive connection. Paths are sent as they are given.

    At a cluster, requests that write wait for all `copies`: the next request may be answered by any of them.
    """

    def __init__(self, url: str, copies: int = 1) -> None:
        self.copies = copies
        parts = urlsplit(url)
        self.address = (parts.hostname or "", parts.port or 5984)
        credentials = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        self.authorization = "Basic " + base64.b64encode(credentials.encode()).decode()
        self.connection = HTTPConnection(*self.address, timeout=30)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: str | bytes | None = None,
        headers: dict[str, str] | None = None,
        authenticated: bool = True,
    ) -> Answer:
        data = raw if raw is not None else (None if body is None else json.dumps(body))
        sent = {"Authorization": self.authorization} if authenticated else {}
        sent |= {"Content-Type": "application/json"} if data is not None else {}
        self.connection.request(method, self._waiting(method, path), data, sent | (headers or {}))
        response = self.connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())

    def _waiting(self, method: str, path: str) -> str:
        reads = path.partition("?")[0].endswith(("/_bulk_get", "/_all_docs", "/_changes"))
        if self.copies == 1 or method not in {"PUT", "POST", "DELETE"} or "/" not in path[1:] or reads:
            return path
        return f"{path}{'&' if '?' in path else '?'}w={self.copies}"

    def get(self, path: str, **options: Any) -> Answer:
        return self.send("GET", path, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.send("PUT", path, body, **options)

    def post(self, path: str, body: Any, **options: Any) -> Answer:
        return self.send("POST", path, body, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.send("DELETE", path, **options)

    def feed(self, path: str) -> "Feed":
        return Feed(self, path)

    def close(self) -> None:
        self.connection.close()


class Feed:
    """A response read line by line, on a connection of its own."""

    def __init__(self, couch: Couch, path: str) -> None:
        self._couch = couch
        self.connection = HTTPConnection(*couch.address, timeout=20)
        self.connection.request("GET", path, headers={"Authorization": couch.authorization})
        self.began = time.monotonic()
        self._response: HTTPResponse | None = None

    @property
    def response(self) -> HTTPResponse:
        """Waits for the headers."""
        if self._response is None:
            self._response = self.connection.getresponse()
        return self._response

    def line(self) -> bytes:
        """The next line, empty at the end."""
        return self.response.readline()

    def row(self) -> Any:
        """The next line that isn't a heartbeat; None at the end."""
        while line := self.line():
            if line.strip():
                return json.loads(line)
        return None

    def rest(self) -> list[Any]:
        """Every line to the end, heartbeats left out."""
        rows = []
        while (row := self.row()) is not None:
            rows.append(row)
        return rows

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def ending(self) -> bytes:
        """Read to the end. At a cluster a feed may end in a second answer, 404, where a chunk should be."""
        received = b""
        try:
            while line := self.line():
                received += line
        except (HTTPException, ValueError):
            if self._couch.copies == 1:
                raise
        return received

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()


def comparable(info: dict[str, Any], copies: int) -> dict[str, Any]:
    """A database's information as far as it stays the same while nothing is written.

    At a cluster sequences name the copies that answered: only the number in front stays.
    """
    if copies == 1:
        return info
    return info | {name: info[name].split("-")[0] for name in ("update_seq", "purge_seq")}


class Database:
    """A database made for one test."""

    def __init__(self, couch: Couch, name: str) -> None:
        self.couch = couch
        self.name = name
        self.path = "/" + quote(name, safe="")

    def create(self) -> Self:
        assert self.couch.put(self.path).status == 201
        return self

    def drop(self) -> None:
        self.couch.delete(self.path)

    def document(self, identity: str) -> str:
        return f"{self.path}/{quote(identity, safe='')}"

    def save(self, identity: str, body: dict[str, Any] | None = None) -> str:
        """Write a document; its revision."""
        answer = self.couch.put(self.document(identity), body or {})
        assert answer.status in {200, 201}, answer
        return str(answer.json["rev"])

    def load(self, identity: str) -> dict[str, Any]:
        answer = self.couch.get(self.document(identity))
        assert answer.status == 200, answer
        return dict(answer.json)

    def remove(self, identity: str, revision: str) -> str:
        answer = self.couch.delete(f"{self.document(identity)}?rev={revision}")
        assert answer.status == 200, answer
        return str(answer.json["rev"])

    def bulk(self, documents: list[dict[str, Any]], **fields: Any) -> Any:
        answer = self.couch.post(f"{self.path}/_bulk_docs", {"docs": documents, **fields})
        assert answer.status == 201, answer
        return answer.json

    def info(self) -> dict[str, Any]:
        return dict(self.couch.get(self.path).json)

    def state(self) -> dict[str, Any]:
        """The information without what differs from answer to answer."""
        return comparable(self.info(), self.couch.copies)

    def changes(self, query: str = "") -> dict[str, Any]:
        answer = self.couch.get(f"{self.path}/_changes?{query}")
        assert answer.status == 200, answer
        return dict(answer.json)

    def feed(self, query: str) -> Feed:
        return self.couch.feed(f"{self.path}/_changes?{query}")
