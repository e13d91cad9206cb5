"""`did-router lookup --via`: what a switch sees over HTTP, by SIP and by ENUM."""

import signal
import socket
from collections.abc import Iterator

import pytest

from tests.cli.command import ACCOUNTS, Process, run, serving

FOUND, ABSENT = "+14158867900", "+14158860000"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def targets(couchdb: str, redis_server: str) -> Iterator[dict[str, str]]:
    """The addresses of a service that answers all four."""
    stores = ("--couchdb-url", couchdb, "--redis-url", redis_server)
    found = {via: f"127.0.0.1:{_free_port()}" for via in ("http", "sip", "enum")}
    settings = [word for via, address in found.items() for word in ("--set", f"{via}_listen={address}")]
    slow = ("--set", "http_timeout=5", "--set", "sip_timeout=5", "--set", "enum_timeout=5", "--set", "drain_delay=0")
    own = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "2")
    process = Process("serve", *own, *settings, *slow, *stores)
    try:
        running = serving(process)
        yield {**found, "grpc": running.target}
    finally:
        process.end(signal.SIGTERM, 30)


@pytest.mark.parametrize("via", ["grpc", "http", "sip", "enum"])
def test_each_way_names_the_account(targets: dict[str, str], via: str) -> None:
    found = run("lookup", "--via", via, "--target", targets[via], "--json", FOUND)

    assert (found.code, found.json[0]["account_id"], found.json[0]["number"]) == (0, ACCOUNTS[0], FOUND)
    assert (found.json[0]["input"], found.json[0]["status"]) == (FOUND, "OK")


@pytest.mark.parametrize(
    ("via", "text"),
    [
        ("http", f'HTTP 200 OK\n{{"account_id":"{ACCOUNTS[0]}"'),
        ("sip", f"302 Moved Temporarily\ncontact: <sip:{FOUND}@{ACCOUNTS[0]}."),
        ("enum", f'.e164.arpa. NAPTR\n100 10 "u" "E2U+sip" "!^.*$!sip:{FOUND}@{ACCOUNTS[0]}.'),
    ],
)
def test_lookup_via_any_transport_shows_its_response(targets: dict[str, str], via: str, text: str) -> None:
    assert text in run("lookup", "--via", via, "--target", targets[via], FOUND).out


@pytest.mark.parametrize(
    ("via", "text"), [("http", "HTTP 404 Not Found"), ("sip", "404 Not Found"), ("enum", "NOERROR, no record")]
)
def test_refusal_exits_with_1(targets: dict[str, str], via: str, text: str) -> None:
    refused = run("lookup", "--via", via, "--target", targets[via], ABSENT)

    assert refused.code == 1
    assert text in refused.out


@pytest.mark.parametrize("via", ["http", "sip", "enum"])
def test_lookup_unreachable_service_names_the_setting(via: str) -> None:
    nobody = run("lookup", "--via", via, "--target", f"127.0.0.1:{_free_port()}", "--timeout", "0.3", FOUND)

    assert nobody.code == 3
    assert f"--set {via}_listen=" in nobody.complaint


def test_lookup_option_foreign_to_transport_is_wrong_usage(targets: dict[str, str]) -> None:
    plan = run("lookup", "--via", "sip", "--target", targets["sip"], "--dial-plan", "gb", FOUND)
    enum = run("lookup", "--via", "enum", "--target", targets["enum"], "--dial-plan", "gb", FOUND)

    assert (plan.code, enum.code) == (2, 2)
    assert "use http or grpc" in plan.complaint
    assert "use http or grpc" in enum.complaint


@pytest.mark.parametrize("number", ["alice", FOUND.removeprefix("+1"), FOUND.removeprefix("+"), "+44 (0) 20 7946 0000"])
def test_lookup_via_enum_of_what_is_not_e164_says_how_to_write_it(targets: dict[str, str], number: str) -> None:
    """gRPC reads national digits under a dial plan; a DNS name of the same digits would stand for another number."""
    asked = run("lookup", "--via", "enum", "--target", targets["enum"], number)

    assert asked.code == 2
    assert f"{number} is not E.164" in asked.complaint
    assert "did-router normalise" in asked.complaint


@pytest.mark.parametrize("via", ["http", "sip", "enum"])
def test_workers_share_the_port(targets: dict[str, str], via: str) -> None:
    """Each number is asked for from a port of its own, so that both workers get some."""
    assert run("lookup", "--via", via, "--target", targets[via], *[FOUND] * 20).code == 0
