"""What a caller of CouchDB is told when something is wrong, and that it is told in time."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router.couch.client import CouchClient
from router.couch.errors import (
    BadResponseError,
    ConflictError,
    CouchRefused,
    CouchUnavailable,
    NotFoundError,
    WrongPasswordError,
)
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB
from tests.integration.relay import Relay
from tests.unit.couch.conftest import ServerProcess

LONG = 60.0


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_a_refused_connection_is_unavailable_and_says_where() -> None:
    port = _closed_port()
    databases = CouchServer(CouchClient(f"http://admin:secret@127.0.0.1:{port}", timeout=LONG))
    with pytest.raises(CouchUnavailable, match=f"127.0.0.1:{port}") as problem:
        databases.names()
    assert "secret" not in str(problem.value)


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    with pytest.raises(CouchUnavailable):
        CouchServer(CouchClient("http://no-such-host.invalid:5984", timeout=LONG)).version()


def test_a_stopped_server_is_unavailable_within_the_time_limit(process: ServerProcess) -> None:
    databases = CouchServer(CouchClient(process.url, timeout=0.3))
    databases.database("numbers/+1415").create()
    process.freeze()
    began = time.monotonic()
    with pytest.raises(CouchUnavailable):
        databases.database("numbers/+1415").info()
    assert time.monotonic() - began < 30, "it gave up by itself, not because the test's own time was over"


def test_a_server_that_goes_on_answers_again_and_with_the_right_answer(process: ServerProcess) -> None:
    databases = CouchServer(CouchClient(process.url, timeout=0.3))
    for name in ("numbers/+1415", "numbers/+1442"):
        databases.database(name).create()
    process.freeze()
    with pytest.raises(CouchUnavailable):
        databases.database("numbers/+1415").info()
    process.thaw()
    for name in ("numbers/+1442", "numbers/+1415", "numbers/+1442"):
        assert databases.database(name).info().name == name
    with pytest.raises(NotFoundError):
        databases.database("numbers/+1999").info()


def test_a_killed_server_is_unavailable(process: ServerProcess) -> None:
    databases = CouchServer(CouchClient(process.url, timeout=LONG))
    databases.version()
    process.kill()
    with pytest.raises(CouchUnavailable):
        databases.version()


def test_a_restarted_server_answers_on_kept_connections(tmp_path: Path) -> None:
    server = EmbeddedCouchDB(directory=tmp_path).start()
    databases = CouchServer(CouchClient(server.url, timeout=5.0))
    databases.database("numbers/+1415").create()
    server.stop()
    server.start()
    assert databases.names("numbers/") == ["numbers/+1415"]
    server.close()


def _refused(url: str, outcomes: list[Exception]) -> None:
    try:
        CouchServer(CouchClient(url, timeout=5.0)).names()
    except Exception as problem:  # noqa: BLE001 - told to the test
        outcomes.append(problem)


def test_a_wrong_password_is_sent_once_even_from_many_threads(server: EmbeddedCouchDB) -> None:
    with Relay(server.url.replace("password", "wr0ng-secret")) as relay:
        couch = CouchClient(relay.url, timeout=5.0)
        relay.hold()
        outcomes: list[Exception] = []

        def ask() -> None:
            try:
                CouchServer(couch).names()
            except Exception as problem:  # noqa: BLE001 - told to the test
                outcomes.append(problem)

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        relay.release()
        for thread in threads:
            thread.join()
        assert [type(each) for each in outcomes] == [WrongPasswordError] * 16
        assert len(relay.seen) == 1
        assert all("wr0ng-secret" not in str(each) for each in outcomes)
        assert "admin" in str(outcomes[0])


def test_a_refusal_stops_every_client_of_that_server(server: EmbeddedCouchDB) -> None:
    with Relay(server.url.replace("password", "wrong")) as relay:
        couch = CouchClient(relay.url, timeout=5.0)
        with pytest.raises(CouchRefused):
            couch.request("GET", ["_all_dbs"])
        for other in (couch, couch.with_timeout(1.0)):
            with pytest.raises(CouchRefused):
                other.request("GET", ["_all_dbs"])
            with pytest.raises(CouchRefused):
                other.open_feed(["_db_updates"], feed="continuous", heartbeat=500)
        assert len(relay.seen) == 1


def test_the_right_password_still_works_after_a_refused_one(server: EmbeddedCouchDB) -> None:
    outcomes: list[Exception] = []
    for _ in range(3):
        _refused(server.url.replace("password", "wrong"), outcomes)
    assert [type(each) for each in outcomes] == [WrongPasswordError] * 3
    assert CouchServer(CouchClient(server.url, timeout=5.0)).names("numbers/") == []


def test_threads_go_side_by_side_once_the_password_proved_right(server: EmbeddedCouchDB) -> None:
    with Relay(server.url) as relay:
        databases = CouchServer(CouchClient(relay.url, timeout=5.0))
        databases.names()
        relay.hold()
        threads = [threading.Thread(target=databases.names) for _ in range(8)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 10
        while relay.count("GET /_all_dbs") < 9 and time.monotonic() < end:
            time.sleep(0.01)
        arrived = relay.count("GET /_all_dbs")
        relay.release()
        for thread in threads:
            thread.join()
        assert arrived == 9


def test_while_the_first_answer_is_awaited_others_give_up_in_time(server: EmbeddedCouchDB) -> None:
    with Relay(server.url) as relay:
        couch = CouchClient(relay.url, timeout=LONG)
        relay.hold()
        first = threading.Thread(target=CouchServer(couch).names)
        first.start()
        end = time.monotonic() + 10
        while not relay.seen and time.monotonic() < end:
            time.sleep(0.01)
        with pytest.raises(CouchUnavailable, match="first request"):
            CouchServer(couch.with_timeout(0.1)).names()
        relay.release()
        first.join()
        assert CouchServer(couch).names("numbers/") == []


def test_credentials_with_separators_in_them_are_sent_as_they_are() -> None:
    with EmbeddedCouchDB(user="admin@x", password="p:a@s/s%w?ör#d") as server:
        assert "p%3Aa%40s%2Fs%25w%3F" in server.url
        databases = CouchServer(CouchClient(server.url, timeout=5.0))
        databases.database("numbers/+1415").create()
        assert databases.names("numbers/") == ["numbers/+1415"]


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
def test_a_proxys_404_is_no_missing_number_and_no_missing_database(kind: str, body: bytes) -> None:
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
def test_a_failing_server_is_unavailable(status: int) -> None:
    page = _web_server(status, "text/html", b"<html>proxy error</html>")
    with page as databases, pytest.raises(CouchUnavailable, match=str(status)):
        databases.database("numbers/+1415").get("+14158867900")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_without_couchdbs_words_is_a_refusal(status: int) -> None:
    with _web_server(status, "text/html", b"<html>Go away</html>") as databases, pytest.raises(CouchRefused):
        databases.names()


def test_a_server_that_speaks_no_http_is_unavailable() -> None:
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
def test_a_chunk_beyond_any_memory_is_unavailable_and_the_next_call_is_well(size: bytes) -> None:
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


def test_a_missing_document_and_a_missing_database_are_reported_apart(databases: CouchServer) -> None:
    with pytest.raises(NotFoundError, match="Database does not exist"):
        databases.database("numbers/+1415").get("+14158867900")
    databases.database("numbers/+1415").create()
    with pytest.raises(NotFoundError, match="missing"):
        databases.database("numbers/+1415").get("+14158867900")
    revision = databases.database("numbers/+1415").put({"_id": "+14158867900"})
    databases.database("numbers/+1415").delete("+14158867900", revision)
    with pytest.raises(NotFoundError, match="deleted"):
        databases.database("numbers/+1415").get("+14158867900")


def test_writing_against_another_revision_is_a_conflict(databases: CouchServer) -> None:
    databases.database("numbers/+1415").create()
    databases.database("numbers/+1415").put({"_id": "+14158867900"})
    with pytest.raises(ConflictError):
        databases.database("numbers/+1415").put({"_id": "+14158867900"})
    with pytest.raises(ConflictError):
        databases.database("numbers/+1415").create()


def test_names_with_plus_and_slash_arrive_as_they_are(databases: CouchServer) -> None:
    databases.database("numbers/+1415").create()
    databases.database("numbers/+1415").put({"_id": "+1415 886/79%2B00"})
    assert databases.database("numbers/+1415").get("+1415 886/79%2B00")["_id"] == "+1415 886/79%2B00"
    assert [page[0]["_id"] for page in databases.database("numbers/+1415").all_documents(10)] == ["+1415 886/79%2B00"]
    assert databases.names("numbers/") == ["numbers/+1415"]


def test_many_documents_at_once_tell_which_are_missing(databases: CouchServer) -> None:
    databases.database("numbers/+1415").create()
    databases.database("numbers/+1415").put_many([{"_id": "+14150000001"}, {"_id": "+14150000002"}])
    found = databases.database("numbers/+1415").get_many(["+14150000002", "+14150000009", "+14150000001"])
    assert {name: document and document["_id"] for name, document in found.items()} == {
        "+14150000002": "+14150000002",
        "+14150000009": None,
        "+14150000001": "+14150000001",
    }
    assert databases.database("numbers/+1999").get_many(["+19990000001"]) == {"+19990000001": None}


def test_deleted_documents_are_missing_among_many(databases: CouchServer) -> None:
    databases.database("numbers/+1415").create()
    revision = databases.database("numbers/+1415").put({"_id": "+14150000001"})
    databases.database("numbers/+1415").delete("+14150000001", revision)
    assert databases.database("numbers/+1415").get_many(["+14150000001"]) == {"+14150000001": None}


def test_pages_of_documents_leave_none_out_and_show_none_twice(databases: CouchServer) -> None:
    databases.database("numbers/+1415").create()
    wanted = [f"+14150000{index:03}" for index in range(25)]
    databases.database("numbers/+1415").put_many([{"_id": each} for each in wanted])
    for size in (1, 5, 24, 25, 26):
        pages = list(databases.database("numbers/+1415").all_documents(size))
        assert [document["_id"] for page in pages for document in page] == wanted


def test_a_password_refused_to_one_process_is_not_sent_by_another(server: EmbeddedCouchDB) -> None:
    with Relay(server.url.replace("password", "wr0ng-again")) as relay:
        for _ in range(6):
            with pytest.raises(WrongPasswordError, match="not tried again"):
                CouchServer(CouchClient(relay.url, timeout=5.0)).names()
        assert len(relay.seen) == 1


def test_a_right_password_without_an_admins_rights_closes_nothing(server: EmbeddedCouchDB) -> None:
    anonymous = CouchClient(f"http://127.0.0.1:{server.port}", timeout=5.0)
    with pytest.raises(CouchRefused, match="server admin"):
        CouchServer(anonymous).names()
    assert CouchServer(anonymous).version()
