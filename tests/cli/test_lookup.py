"""did-router lookup and did-router explain, against a running service."""

import pytest

from router.cli import sample_numbers
from tests.cli.command import ACCOUNTS, Ran, Running, run

ANSWERED = ["input", "number", "account_id", "status", "reason", "state", "source", "stale", "message"]
ROUTE = [
    "revision",
    "carrier",
    "pending_port",
    "local",
    "force_outbound",
    "inbound_cnam",
    "prepend",
    "ringback_media",
    "transfer_media",
    "ported_in",
    "used_by",
    "failover",
    "features",
]
LAYERS = ["near_cache", "redis", "number_database", "port_requests", "account"]
EXPLAINED = ["input", "dial_plan", "rule", "number", "reconcilable", "classification", "database", *LAYERS]


def ask(service: Running, *arguments: str | bytes) -> Ran:
    return run("lookup", "--target", service.target, *arguments)


def test_routes_from_each_source(service: Running) -> None:
    said = ask(service, "--json", "442079460018", "442079460018", "sip:+14158867902@carrier.example", "+14158867903")

    assert (said.code, said.err) == (0, "")
    assert [sorted(each) for each in said.json] == [sorted(ANSWERED + ROUTE)] * 4
    assert [each["source"] for each in said.json] == ["REDIS", "NEAR_CACHE", "REDIS", "PORT_REQUEST"]
    assert [each["account_id"] for each in said.json] == [ACCOUNTS[2], ACCOUNTS[2], ACCOUNTS[2], ACCOUNTS[4]]
    assert [each["pending_port"] for each in said.json] == [False, False, True, True]
    first = said.json[0]
    assert (first["input"], first["number"], first["state"]) == ("442079460018", "+442079460018", "in_service")
    assert (first["status"], first["reason"], first["stale"]) == ("OK", None, False)
    assert first["revision"].startswith("1-")


def test_past_the_caches(service: Running) -> None:
    said = ask(service, "--json", "--authoritative", "+14158867901")

    assert [each["source"] for each in said.json] == ["NUMBER_DATABASE"]


def test_refusals(service: Running) -> None:
    numbers = ["911", "+14158860000", "+14158867904", "+14158867905", "+14158867906"]
    said = ask(service, "--json", *numbers)

    assert (said.code, said.err) == (1, "")
    assert [sorted(each) for each in said.json] == [sorted(ANSWERED + ROUTE)] * 5
    assert [(each["status"], each["reason"]) for each in said.json] == [
        ("INVALID_ARGUMENT", "NOT_RECONCILABLE"),
        ("NOT_FOUND", "NUMBER_NOT_FOUND"),
        ("FAILED_PRECONDITION", "NOT_IN_SERVICE"),
        ("FAILED_PRECONDITION", "UNASSIGNED"),
        ("FAILED_PRECONDITION", "ACCOUNT_DISABLED"),
    ]
    assert [each["number"] for each in said.json] == numbers
    assert [each["state"] for each in said.json] == [None, None, "aging", "in_service", "in_service"]
    assert [each["account_id"] for each in said.json] == [None, None, ACCOUNTS[3], None, sample_numbers.DISABLED]
    assert {(each["source"], each["stale"]) for each in said.json} == {(None, None)}


def test_what_is_no_number_at_all(service: Running) -> None:
    said = ask(service, "--json", b"\xff\xfe4158867900", "4" * 10_000, "", "--", "-1")

    assert said.code == 1
    assert {each["reason"] for each in said.json} == {"NOT_RECONCILABLE"}
    assert said.json[0]["input"] == "\ufffd\ufffd4158867900"


def test_for_people(service: Running) -> None:
    said = ask(service, "4158867900", "\x1b]0;title\x07911", "4" * 10_000)
    lines = said.out.splitlines()

    assert lines[0].startswith(f"4158867900 → +14158867900: account {ACCOUNTS[0]}, in_service (")
    assert lines[1].startswith("?]0;title?911: NOT_RECONCILABLE: ")
    assert "\x1b" not in said.out
    assert max(map(len, lines)) < 300, "a long input is cut"


def test_an_unknown_dial_plan_names_those_there_are(service: Running) -> None:
    said = ask(service, "--dial-plan", "mars", "4158867900")

    assert said.code == 1
    assert "there is no dial plan 'mars': use one of kazoo, system" in said.out


def test_no_time(service: Running) -> None:
    said = ask(service, "--json", "--timeout", "0", "4158867900")

    assert (said.code, said.json[0]["status"], said.json[0]["reason"]) == (3, "DEADLINE_EXCEEDED", None)


def test_something_else_that_answers(service: Running) -> None:
    said = run("lookup", "--target", service.admin, "4158867900")

    assert said.code == 3
    assert f"no did-router answers at {service.admin}" in said.complaint


def test_explain(service: Running) -> None:
    said = run("explain", "--target", service.target, "--json", "4158867900")
    told = said.json[0]

    assert (said.code, said.err) == (0, "")
    assert set(told) == {*EXPLAINED, "follower", "decision", "answer"}
    assert [set(told[layer]) for layer in LAYERS] == [{"present", "revision", "age_seconds", "detail", "error"}] * 5
    assert (told["rule"], told["number"], told["database"]) == ("converter 1", "+14158867900", "numbers/+1415")
    assert told["redis"]["revision"] == told["number_database"]["revision"]
    assert told["follower"]["alive"] is True
    assert set(told["follower"]) == {"alive", "leader", "checkpoint", "lag_seconds", "age_seconds", "error"}
    assert told["answer"]["route"]["account_id"] == ACCOUNTS[0]


@pytest.mark.parametrize(
    ("number", "decision"),
    [
        ("+14158867904", "NOT_IN_SERVICE: +14158867904 is aging"),
        (b"\xff\xfe", "NOT_RECONCILABLE: '\ufffd\ufffd' is not a routable number"),
    ],
)
def test_explain_a_refusal(service: Running, number: str | bytes, decision: str) -> None:
    said = run("explain", "--target", service.target, number, COLUMNS="200")

    assert said.code == 1
    assert decision in said.out
