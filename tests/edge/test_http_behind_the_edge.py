"""HTTP at the edge's address as docs/http.md promises it: over TLS, with a token in each request."""

import json
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.cli.command import ACCOUNTS
from tests.edge.deployment import PATIENT, Instance, Stores, instance
from tests.integration.tokens import Tokens
from tests.support.waiting import eventually

NUMBER = "+14158867900"
PATH = f"/v1/lookup/{NUMBER}"
SCOPES = {"reads": "lookup", "numbers": "manage", "bound": f"manage@{ACCOUNTS[0]}"}


class Api:
    """Requests by the holder of a token, each over a connection of its own."""

    def __init__(self, service: Instance, tokens: Tokens) -> None:
        self._service = service
        self._tokens = tokens.plain

    def send(self, caller: str, headers: dict[str, str]) -> tuple[HTTPResponse, Any]:
        """Send a lookup with further headers, as they are."""
        with self._service.http() as connection:
            connection.putrequest("GET", PATH)
            for name, value in {"Authorization": f"Bearer {self._tokens[caller]}", **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return response, json.loads(response.read())

    def ask(self, caller: str, path: str, method: str = "GET", body: Any = None) -> tuple[HTTPResponse, Any]:
        """Return the response, and its body as JSON (None for no body)."""
        headers = {"Request-Timeout": "5"}
        if caller:
            headers["Authorization"] = f"Bearer {self._tokens.get(caller, caller)}"
        with self._service.http() as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
        return response, json.loads(text) if text else None


@pytest.fixture(scope="module")
def api(shared: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    tokens = Tokens(tmp_path_factory.mktemp("tokens") / "tokens", **SCOPES)
    with instance(shared, *PATIENT, "--set", f"token_file={tokens.path}") as service:
        made = Api(service, tokens)
        eventually(lambda: made.ask("reads", PATH)[0].status == 200, 30)
        yield made


def test_lookup_finds_the_account(api: Api) -> None:
    response, route = api.ask("reads", PATH)

    assert (response.status, route["account_id"], route["number"]) == (200, ACCOUNTS[0], NUMBER)
    assert response.headers["cache-control"] == "no-store"


def test_batch_keeps_its_order(api: Api) -> None:
    _, found = api.ask("reads", "/v1/lookups", "POST", {"lookups": [{"number": "+14158860000"}, {"number": NUMBER}]})

    assert found["outcomes"][0]["refusal"]["reason"] == "NUMBER_NOT_FOUND"
    assert found["outcomes"][1]["route"]["account_id"] == ACCOUNTS[0]


def test_explain_names_the_protocol(api: Api) -> None:
    _, explained = api.ask("reads", f"/v1/explain/{NUMBER}")

    assert (explained["protocol"], explained["answer"]["route"]["account_id"]) == ("http", ACCOUNTS[0])


def test_number_manager_shows_to_its_scope(api: Api) -> None:
    _, shown = api.ask("numbers", f"/v1/numbers/{NUMBER}?auth_by={ACCOUNTS[0]}")
    _, bound = api.ask("bound", f"/v1/numbers/{NUMBER}?auth_by={ACCOUNTS[0]}")

    assert shown["record"]["assigned_to"] == ACCOUNTS[0]
    assert bound == shown


def test_head_has_the_length_and_no_body(api: Api) -> None:
    response, body = api.ask("reads", PATH, "HEAD")

    assert (response.status, body) == (200, None)
    assert int(response.headers["content-length"]) > 100


@pytest.mark.parametrize(
    ("caller", "path", "status", "name"),
    [
        ("", PATH, 401, "UNAUTHENTICATED"),
        ("made-up", PATH, 401, "UNAUTHENTICATED"),
        ("numbers", PATH, 403, "PERMISSION_DENIED"),
        ("reads", f"/v1/numbers/{NUMBER}?auth_by={ACCOUNTS[0]}", 403, "PERMISSION_DENIED"),
        ("bound", f"/v1/numbers/{NUMBER}?auth_by={ACCOUNTS[1]}", 403, "PERMISSION_DENIED"),
        ("reads", "/v1/lookup/+14158860000", 404, "NOT_FOUND"),
        ("reads", "/v1/lookup/alice", 400, "INVALID_ARGUMENT"),
        ("reads", "/v1/lookup/", 400, "INVALID_ARGUMENT"),
        ("reads", f"{PATH}?alt=xml", 400, "INVALID_ARGUMENT"),
        ("reads", "/nowhere", 404, "NOT_FOUND"),
    ],
)
def test_error_says_its_status_in_json(api: Api, caller: str, path: str, status: int, name: str) -> None:
    response, body = api.ask(caller, path)

    assert (response.status, body["error"]["code"], body["error"]["status"]) == (status, status, name)
    assert body["error"]["message"]
    assert body["error"]["details"][0]["reason"]
    assert body["sip"]["code"] in {404, 480, 503}
    assert (response.headers["www-authenticate"] == "Bearer") == (status == 401)


@pytest.mark.parametrize(("headers", "status"), [({"X-Long": "x" * 20_000}, 431), ({"Content-Length": "many"}, 400)])
def test_error_of_the_edge_itself_is_in_json(api: Api, headers: dict[str, str], status: int) -> None:
    response, body = api.send("reads", headers)

    assert (response.status, response.headers["content-type"]) == (status, "application/json")
    assert (body["error"]["code"], body["error"]["status"]) == (status, "INVALID_ARGUMENT")
    assert body["error"]["details"][0]["reason"]
    assert body["sip"]["code"] == 503
