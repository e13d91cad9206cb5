"""The HTTP API of a running service: lookups, explain and the number manager."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import pytest

from router.embedded import EmbeddedCouchDB
from router.server.app import Service
from tests.integration.http_lookup_client import HttpLookupClient, Reply
from tests.integration.real_stores import NUMBER, ONE, RealStores
from tests.integration.tokens import Tokens
from tests.support.waiting import eventually

PATH = f"/v1/lookup/{NUMBER}"


@pytest.fixture(scope="module")
def shared_stores(redis_server: str) -> Iterator[RealStores]:
    with EmbeddedCouchDB() as couchdb:
        made = RealStores(couchdb, redis_server)
        yield made
        made.close()


@pytest.fixture(scope="module")
def shared_service(shared_stores: RealStores) -> Iterator[Service]:
    shared_stores.number(NUMBER, ONE)
    yield from _running(shared_stores)


@pytest.fixture
def service(stores: RealStores) -> Iterator[Service]:
    """A service that the test may end, or whose stores it may take away."""
    stores.number(NUMBER, ONE)
    yield from _running(stores)


def _running(stores: RealStores) -> Iterator[Service]:
    made = Service(stores.settings(http_listen="127.0.0.1:0"), with_follower=True)
    made.start()
    eventually(lambda: made.readiness.state.name == "ready")
    yield made
    made.stop()


@pytest.fixture
def http(shared_service: Service) -> Iterator[HttpLookupClient]:
    with HttpLookupClient(shared_service.http.port) as caller:
        yield caller


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        f"/v1/lookup/{NUMBER.replace('+', '%2B')}",
        f"/v1/lookup/sip%3A{NUMBER}@example.com;user=phone",
        f"/v1/lookup/{NUMBER}%3Bnpdi%3Brn%3D+1415",
        f"/v1/lookup?number={NUMBER}",
        f"/v1/lookup?number={NUMBER.replace('+', '%2B')}&dial_plan=&consistency=authoritative",
    ],
)
def test_each_spelling_finds_the_account(http: HttpLookupClient, path: str) -> None:
    reply = http.get(path)

    assert reply.status == 200
    assert reply.json["account_id"] == ONE
    assert reply.json["number"] == NUMBER
    assert reply.json["stale"] is False
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"


def test_posted_request_finds_the_account(http: HttpLookupClient) -> None:
    assert http.post("/v1/lookup", {"number": NUMBER, "consistency": "AUTHORITATIVE"}).json["account_id"] == ONE


@pytest.mark.parametrize(
    ("path", "status", "name", "reason", "sip"),
    [
        ("/v1/lookup/+14158860000", 404, "NOT_FOUND", "NUMBER_NOT_FOUND", 404),
        ("/v1/lookup/", 400, "INVALID_ARGUMENT", "NOT_RECONCILABLE", 404),
        ("/v1/lookup/alice", 400, "INVALID_ARGUMENT", "NOT_RECONCILABLE", 404),
        ("/v1/lookup/%FF%FE", 400, "INVALID_ARGUMENT", "NOT_RECONCILABLE", 404),
        ("/v1/lookup", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", 503),
        (f"{PATH}?consistency=never", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", 503),
        (f"{PATH}?alt=xml", 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", 503),
    ],
)
def test_refusal_has_status_reason_and_sip(
    http: HttpLookupClient, path: str, status: int, name: str, reason: str, sip: int
) -> None:
    reply = http.get(path)

    error = reply.json["error"]
    assert (reply.status, error["code"], error["status"]) == (status, status, name)
    assert error["details"][0]["reason"] == reason
    assert reply.json["sip"]["code"] == sip


def test_form_splits_at_ampersands(http: HttpLookupClient) -> None:
    found, refused = http.get(f"{PATH}?alt=form"), http.get("/v1/lookup/+14158860000?alt=form")

    assert b"+" not in found.body
    routed = dict(parse_qsl(found.text, keep_blank_values=True))
    assert (routed["status"], routed["account_id"], routed["sip_code"]) == ("OK", ONE, "200")
    reported = dict(parse_qsl(refused.text))
    assert (reported["status"], reported["reason"], reported["sip_code"]) == ("NOT_FOUND", "NUMBER_NOT_FOUND", "404")
    assert reported["sip_reason"] == "Not Found"


def test_batch_keeps_its_order(http: HttpLookupClient) -> None:
    reply = http.post("/v1/lookups", {"lookups": [{"number": "+14158860000"}, {"number": NUMBER}]})

    first, second = reply.json["outcomes"]
    assert first["refusal"]["reason"] == "NUMBER_NOT_FOUND"
    assert second["route"]["account_id"] == ONE


def test_batch_beyond_its_bound_is_refused(http: HttpLookupClient) -> None:
    reply = http.post("/v1/lookups", {"lookups": [{"number": NUMBER}] * 1001})

    assert reply.status == 400
    assert "at most 1000" in reply.json["error"]["message"]


def test_explain_names_the_account(http: HttpLookupClient) -> None:
    reply = http.get(f"/v1/explain/{NUMBER}", {"Request-Timeout": "5"})

    assert reply.json["answer"]["route"]["account_id"] == ONE
    assert reply.json["redis"]["present"] is True
    assert reply.json["protocol"] == "http"


def test_unavailable_database_says_when_to_ask_again(service: Service, stores: RealStores) -> None:
    stores.couchdb.close()

    with HttpLookupClient(service.http.port) as caller:
        reply = caller.get("/v1/lookup/+14158860001?consistency=AUTHORITATIVE", {"Request-Timeout": "2"})

    assert (reply.status, reply.json["sip"]["code"]) == (503, 503)
    assert reply.json["error"]["details"][0]["reason"] == "NUMBER_DATABASE_UNAVAILABLE"
    assert reply.headers["retry-after"] == "1"


@pytest.mark.parametrize("header", ["Grpc-Timeout: 1n", "Request-Timeout: 0.000001"])
def test_deadline_of_the_caller_counts(http: HttpLookupClient, header: str) -> None:
    name, _, value = header.partition(": ")

    reply = http.get("/v1/lookup/+14158860002?consistency=AUTHORITATIVE", {name: value})

    assert (reply.status, reply.json["error"]["details"][0]["reason"]) == (504, "DEADLINE_EXCEEDED")


def test_deadline_that_cannot_be_read_is_refused(http: HttpLookupClient) -> None:
    assert "200m" in http.get(PATH, {"Grpc-Timeout": "soon"}).json["error"]["message"]


def test_number_manager_creates_shows_and_lists(http: HttpLookupClient) -> None:
    made = http.post("/v1/numbers/create", {"numbers": ["+14158867955"], "auth_by": "system", "assign_to": ONE})
    shown = http.get("/v1/numbers/+14158867955?auth_by=system")
    absent = http.get("/v1/numbers/+14158867956?auth_by=system")
    listed = http.get(f"/v1/numbers?account_id={ONE}&auth_by=system&thorough=true")

    assert made.json["results"][0]["record"]["assigned_to"] == ONE
    assert shown.json["record"]["state"] == "in_service"
    assert (absent.status, absent.json["error"]["status"], absent.json["sip"]["code"]) == (404, "NOT_FOUND", 404)
    assert "+14158867955" in [each["number"] for each in listed.json["numbers"]]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"{", "not JSON"),
        (b"[]", "a JSON object"),
        (b'{"numbr": 1}', "numbr"),
        (b'{"numbers": []}', "numbers is empty"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_body_that_cannot_be_used_is_refused(http: HttpLookupClient, body: bytes, complaint: str) -> None:
    reply = http.request("POST", "/v1/numbers/move", body)

    assert reply.status == 400
    assert complaint in reply.json["error"]["message"]


def test_unknown_paths_and_methods_answer_json(http: HttpLookupClient) -> None:
    nowhere, wrong = http.get("/v2/lookup"), http.request("DELETE", "/v1/lookups", b"")

    assert (nowhere.status, nowhere.json["error"]["status"]) == (404, "NOT_FOUND")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert http.request("DELETE", PATH, b"").status == 405


def test_freeswitch_gets_a_dialplan(http: HttpLookupClient) -> None:
    def ask(**form: str) -> list[tuple[str | None, str | None]]:
        fields = "&".join(f"{name.replace('_', '-')}={value}" for name, value in form.items())
        reply = http.request("POST", "/freeswitch/dialplan", fields.encode())
        assert (reply.status, reply.headers["content-type"]) == (200, "text/xml")
        return [(each.get("application"), each.get("data")) for each in ET.fromstring(reply.body).iter("action")]

    routed = ask(Caller_Destination_Number="%2B14158867900", Caller_Context="public")
    literal = ask(Caller_Destination_Number="+14158867900", Caller_Context="public")
    refused = ask(Caller_Destination_Number="14158860000", Caller_Context="public")
    other = ask(Caller_Destination_Number=ONE, Caller_Context=ONE)

    assert ("set", f"did_account={ONE}") in routed
    assert routed[-1] == ("transfer", f"{NUMBER} XML {ONE}")
    assert literal == routed
    assert refused[-1] == ("respond", "404 Not Found")
    assert other == []


def test_freeswitch_expands_nothing_of_a_document(http: HttpLookupClient, shared_stores: RealStores) -> None:
    shared_stores.number("+14158867911", ONE, pvt_features={"prepend": {"enabled": True, "name": "${system rm -rf /}"}})

    form = b"Caller-Destination-Number=14158867911&Caller-Context=public"
    eventually(lambda: b"transfer" in http.request("POST", "/freeswitch/dialplan", form).body)
    body = http.request("POST", "/freeswitch/dialplan", form).body

    assert b"$" not in body
    assert b"{system rm -rf /}" in body


def test_openapi_describes_every_path(http: HttpLookupClient) -> None:
    document = http.get("/v1/openapi.json").json

    assert document["openapi"].startswith("3.1")
    assert "/v1/lookup/{number}" in document["paths"]
    assert set(document["components"]["schemas"]["LookupResponse"]["properties"]) == set(http.get(PATH).json)
    references = json.dumps(document).split('"$ref": "#/components/schemas/')[1:]
    assert {each.partition('"')[0] for each in references} <= set(document["components"]["schemas"])


class TestOnTheWire:
    """Requests as HTTP clients of switches send them."""

    def _say(self, port: int, result: bytes, until: int = 1) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(result)
            heard = b""
            while heard.count(b"HTTP/1.1 200") < until:
                part = connection.recv(65536)
                if not part:
                    break
                heard += part
            return heard

    def test_pipelined_requests_are_answered_in_order(self, shared_service: Service) -> None:
        one = f"GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode()

        assert self._say(shared_service.http.port, one * 5, until=5).count(b"HTTP/1.1 200") == 5

    def test_http_1_0_is_answered_and_closed(self, shared_service: Service) -> None:
        heard = self._say(shared_service.http.port, f"GET {PATH} HTTP/1.0\r\n\r\n".encode(), until=2)

        assert heard.startswith(b"HTTP/1.1 200")
        assert heard.endswith(b"}")

    def test_head_has_a_length_and_no_body(self, shared_service: Service) -> None:
        heard = self._say(
            shared_service.http.port, f"HEAD {PATH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode(), 2
        )

        assert b"content-length: 0" not in heard
        assert heard.endswith(b"\r\n\r\n")

    def test_body_that_asks_first_is_invited(self, shared_service: Service) -> None:
        body = json.dumps({"number": NUMBER}).encode()
        head = b"POST /v1/lookup HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
        with socket.create_connection(("127.0.0.1", shared_service.http.port), timeout=5) as connection:
            connection.sendall(head)
            assert connection.recv(1024).startswith(b"HTTP/1.1 100")
            connection.sendall(body)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")

    @pytest.mark.parametrize(
        "result",
        [b"nonsense\r\n\r\n", b"GET /v1/lookup/\xff HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"],
    )
    def test_bytes_that_are_not_http_get_400_as_json(self, shared_service: Service, result: bytes) -> None:
        heard = self._say(shared_service.http.port, result, until=2)

        assert heard.startswith(b"HTTP/1.1 400")
        assert json.loads(heard.partition(b"\r\n\r\n")[2])["error"]["details"][0]["reason"] == "INVALID_ARGUMENT"

    def test_thousand_requests_share_a_connection(self, http: HttpLookupClient) -> None:
        replies: list[Reply] = [http.get(PATH) for _ in range(1001)]

        assert {reply.status for reply in replies} == {200}
        assert http.connections == 1


def test_service_that_ends_asks_callers_to_leave(service: Service) -> None:
    with HttpLookupClient(service.http.port) as caller:
        assert "connection" not in caller.get(PATH).headers
        service.announce_end()

        assert caller.get(PATH).headers["connection"] == "close"
        assert caller.get("/v1/openapi.json").headers["connection"] == "close"


@pytest.mark.parametrize(
    ("scopes", "path", "status"),
    [
        (None, PATH, 401),
        ("lookup", PATH, 200),
        ("lookup", f"/v1/explain/{NUMBER}", 200),
        ("lookup", f"/v1/numbers/{NUMBER}?auth_by={ONE}", 403),
        ("manage", PATH, 403),
        ("manage", f"/v1/numbers/{NUMBER}?auth_by={ONE}", 200),
        ("manage", f"/v1/numbers/{NUMBER}?auth_by=system", 403),
    ],
)
def test_token_opens_what_its_scopes_say(
    stores: RealStores, tmp_path: Path, scopes: str | None, path: str, status: int
) -> None:
    stores.number(NUMBER, ONE)
    tokens = Tokens(tmp_path / "tokens", caller=scopes or "lookup")
    service = Service(stores.settings(http_listen="127.0.0.1:0", token_file=tokens.path), with_follower=True)
    service.start()
    try:
        eventually(lambda: service.readiness.state.name == "ready")
        with HttpLookupClient(service.http.port, tokens.plain["caller"] if scopes else None) as caller:
            reply = caller.get(path)
    finally:
        service.stop()

    assert reply.status == status
    assert status == 200 or reply.json["error"]["message"]
    assert (reply.headers.get("www-authenticate") == "Bearer") == (status == 401)


def test_taken_address_is_an_error(stores: RealStores) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        with pytest.raises(OSError, match=f"can't listen on {address}.*http_listen"):
            Service(stores.settings(http_listen=address))
