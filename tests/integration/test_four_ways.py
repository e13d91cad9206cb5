"""One behaviour, four ways of asking: each case over gRPC, HTTP, SIP and ENUM."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from router.cli.client import LookupResult, of_result
from router.cli.via.enum import ask_enum
from router.cli.via.http import ask_http
from router.cli.via.sip import ask_sip
from router.cli.via.view import Question
from router.client import Client
from router.embedded import EmbeddedCouchDB
from router.runtime.addresses import Address
from router.server.app import Service
from tests.integration.real_stores import RealStores
from tests.support.waiting import eventually

ALL = json.loads((Path(__file__).parents[1] / "cases" / "lookup.json").read_text())["lookup"]
CASES = [case for case in ALL if case["input"]]
"""The empty number can't be asked for by every way, and has a test of its own."""
REASONS = {
    "not_reconcilable": "NOT_RECONCILABLE",
    "not_found": "NUMBER_NOT_FOUND",
    "not_in_service": "NOT_IN_SERVICE",
    "unassigned": "UNASSIGNED",
    "account_disabled": "ACCOUNT_DISABLED",
}
SIP = dict.fromkeys(("NOT_RECONCILABLE", "NUMBER_NOT_FOUND", "UNASSIGNED"), 404)
SIP |= dict.fromkeys(("NOT_IN_SERVICE", "ACCOUNT_DISABLED"), 480)
LOCAL: dict[str, Any] = {f"{way}listen": "127.0.0.1:0" for way in ("", "http_", "sip_", "enum_")}
SLOW: dict[str, Any] = {f"{way}_timeout": 5.0 for way in ("http", "sip", "enum")}


def number_of(index: int, text: str) -> str:
    """A number of the case's own, in the spelling that the case has."""
    return text.replace("4158867900", f"415886{index:04}")


def account_of(index: int) -> str:
    return f"{index:032x}"


def write(stores: RealStores, index: int, case: dict[str, Any]) -> None:
    options, account = case["options"], account_of(index)
    number = number_of(index, "+14158867900")
    if (document := options.get("document")) is not None:
        owner = {"pvt_assigned_to": account} if "pvt_assigned_to" in document else {}
        stores.put("numbers/+1415", number, **{**document, **owner})
    if (request := options.get("port_request")) is not None:
        fields = {"pvt_type": "port_request", "pvt_port_state": request["state"], "numbers": {number: {}}}
        stores.put("port_requests", f"port-{index}", pvt_account_id=account, **fields)
    fields = options.get("account", {})
    if fields is not None:
        stores.put("accounts", account, **{"pvt_type": "account", **fields})


def config_of(case: dict[str, Any]) -> str:
    """Return the number manager's configuration that a case needs."""
    return json.dumps(case["options"].get("config") or {}, sort_keys=True)


@contextmanager
def serving(redis_server: str, config: str) -> Iterator[Service]:
    with EmbeddedCouchDB() as couchdb:
        stores = RealStores(couchdb, redis_server)
        for index, case in enumerate(CASES):
            if config_of(case) == config:
                write(stores, index, case)
        if config != "{}":
            stores.configure(**json.loads(config))
        settings = stores.settings(**LOCAL, **SLOW, enum_refusals="uri", unknown_account="refuse")
        made = Service(settings, with_follower=True)
        made.start()
        eventually(lambda: made.readiness.state.name == "ready")
        yield made
        made.stop()
        stores.close()


@pytest.fixture(scope="module")
def services(redis_server: str) -> Iterator[Callable[[str], Service]]:
    """Services by the configuration that they follow."""
    with ExitStack() as stack:
        yield lru_cache(lambda config: stack.enter_context(serving(redis_server, config)))


def ask_grpc(service: Service, number: str) -> LookupResult:
    with Client(f"127.0.0.1:{service.transport.port}", deadline=5) as client:
        return of_result(client.lookup(number))


def ask(way: Callable[[Question], Any], port: int, number: str) -> Any:
    return way(Question(Address("127.0.0.1", port), number, "", authoritative=False, timeout=5))


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda index: json.dumps(CASES[index]["options"])[:60])
def test_each_way_has_the_same_answer(services: Callable[[str], Service], index: int) -> None:
    service = services(config_of(CASES[index]))
    expected, number = CASES[index]["expected"], number_of(index, CASES[index]["input"])

    by_grpc = ask_grpc(service, number)
    by_http = ask(ask_http, service.http.port, number)
    by_sip = ask(ask_sip, service.sip.port, number)
    # A DNS name has the digits of an E.164 number alone.
    by_enum = ask(ask_enum, service.enum.port, by_grpc.route.number if by_grpc.route else "+" + number.lstrip("+"))

    http, sip, enum = by_http.result, by_sip.result, by_enum.result
    if "error" in expected:
        reason = by_grpc.reason
        assert reason == REASONS[expected["error"]] or number == "911", "911 is decided otherwise on purpose"
        assert (http.status, http.reason, http.metadata) == (by_grpc.status, reason, by_grpc.metadata)
        assert json.loads(by_http.text.partition("\n")[2])["sip"]["code"] == SIP[reason]
        assert (by_sip.text.partition(" ")[0], sip.reason) == (str(SIP[reason]), reason)
        assert enum.message.startswith(f"sip:{SIP[reason]}@{reason.lower().replace('_', '-')}.refused.")
        return
    assert by_grpc.route is not None
    route = by_grpc.route
    route.source = http.route.source  # the first one fills the caches of the next
    assert http.route == route
    assert route.force_outbound == expected.get("force_outbound", route.force_outbound)
    for seen in (sip.route, enum.route):
        assert (seen.number, seen.account_id) == (route.number, account_of(index))
    assert (sip.route.state, sip.route.pending_port) == (route.state, route.pending_port)


@pytest.mark.parametrize(
    "text", ["{}", "+1 ({}) {}-{}", " +1.{}.{}.{} ", "sip:+1{}{}{}@example.com;" + "x" * 300, "tel:+1-{}-{}-{}"]
)
def test_spelling_makes_no_difference_to_any_way(services: Callable[[str], Service], text: str) -> None:
    service = services("{}")
    index = next(at for at, case in enumerate(CASES) if "error" not in case["expected"] and config_of(case) == "{}")
    number = number_of(index, "+14158867900")
    asked = number if text == "{}" else text.format(number[2:5], number[5:8], number[8:])

    results = [ask_grpc(service, asked)]
    for way, find in (("http", ask_http), ("sip", ask_sip), ("enum", ask_enum)):
        results.append(ask(find, getattr(service, way).port, asked).result)

    assert [each.route and each.route.number for each in results] == [number] * 4


@pytest.mark.parametrize(("way", "code"), [("http", "HTTP 400"), ("sip", "404 Not Found")])
def test_empty_number_is_not_reconcilable(services: Callable[[str], Service], way: str, code: str) -> None:
    service = services("{}")

    by_way = ask({"http": ask_http, "sip": ask_sip}[way], getattr(service, way).port, "")

    assert ask_grpc(service, "").reason == by_way.result.reason == "NOT_RECONCILABLE"
    assert by_way.text.startswith(code)


@pytest.mark.parametrize("way", ["grpc", "http", "sip", "enum"])
def test_unreachable_database_is_reported_by_the_deadline(redis_server: str, way: str) -> None:
    """Each way reports that the number is not known now, since no store answers."""
    with EmbeddedCouchDB() as couchdb:
        stores = RealStores(couchdb, redis_server)
        quick: dict[str, Any] = {f"{each}_timeout": 0.3 for each in ("http", "sip", "enum")}
        service = Service(stores.settings(**LOCAL, **quick, couchdb_url="http://127.0.0.1:1", lookup_timeout=0.3))
        service.start()
        try:
            number = "+14158869999"
            if way == "grpc":
                result = ask_grpc(service, number)
            else:
                port = getattr(service, way).port
                result = ask({"http": ask_http, "sip": ask_sip, "enum": ask_enum}[way], port, number).result
        finally:
            service.stop()
            stores.close()

    assert result.route is None
    assert result.status in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
