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
EXPLAINED = ["input", "protocol", "dial_plan", "rule", "number", "reconcilable", "classification", "database", *LAYERS]


def ask(service: Running, *arguments: str | bytes) -> Ran:
    return run("lookup", "--target", service.target, *arguments)


def test_lookup_routes_from_each_source(service: Running) -> None:
    result = ask(service, "--json", "442079460018", "442079460018", "sip:+14158867902@carrier.example", "+14158867903")

    assert (result.code, result.err) == (0, "")
    assert [sorted(each) for each in result.json] == [sorted(ANSWERED + ROUTE)] * 4
    assert [each["source"] for each in result.json] == ["REDIS", "NEAR_CACHE", "REDIS", "PORT_REQUEST"]
    assert [each["account_id"] for each in result.json] == [ACCOUNTS[2], ACCOUNTS[2], ACCOUNTS[2], ACCOUNTS[4]]
    assert [each["pending_port"] for each in result.json] == [False, False, True, True]
    first = result.json[0]
    assert (first["input"], first["number"], first["state"]) == ("442079460018", "+442079460018", "in_service")
    assert (first["status"], first["reason"], first["stale"]) == ("OK", None, False)
    assert first["revision"].startswith("1-")


def test_lookup_authoritative_bypasses_the_caches(service: Running) -> None:
    result = ask(service, "--json", "--authoritative", "+14158867901")

    assert [each["source"] for each in result.json] == ["NUMBER_DATABASE"]


def test_lookup_refusals_exit_with_1(service: Running) -> None:
    numbers = ["911", "+14158860000", "+14158867904", "+14158867905", "+14158867906"]
    result = ask(service, "--json", *numbers)

    assert (result.code, result.err) == (1, "")
    assert [sorted(each) for each in result.json] == [sorted(ANSWERED + ROUTE)] * 5
    assert [(each["status"], each["reason"]) for each in result.json] == [
        ("INVALID_ARGUMENT", "NOT_RECONCILABLE"),
        ("NOT_FOUND", "NUMBER_NOT_FOUND"),
        ("FAILED_PRECONDITION", "NOT_IN_SERVICE"),
        ("FAILED_PRECONDITION", "UNASSIGNED"),
        ("FAILED_PRECONDITION", "ACCOUNT_DISABLED"),
    ]
    assert [each["number"] for each in result.json] == numbers
    assert [each["state"] for each in result.json] == [None, None, "aging", "in_service", "in_service"]
    assert [each["account_id"] for each in result.json] == [None, None, ACCOUNTS[3], None, sample_numbers.DISABLED]
    assert {(each["source"], each["stale"]) for each in result.json} == {(None, None)}


def test_lookup_invalid_number_is_refused(service: Running) -> None:
    result = ask(service, "--json", b"\xff\xfe4158867900", "4" * 10_000, "", "--", "-1")

    assert result.code == 1
    assert {each["reason"] for each in result.json} == {"NOT_RECONCILABLE"}
    assert result.json[0]["input"] == "\ufffd\ufffd4158867900"


def test_lookup_prints_a_line_per_number(service: Running) -> None:
    result = ask(service, "4158867900", "\x1b]0;title\x07911", "4" * 10_000)
    lines = result.out.splitlines()

    assert lines[0].startswith(f"4158867900 → +14158867900: account {ACCOUNTS[0]}, in_service (")
    assert lines[1].startswith("?]0;title?911: NOT_RECONCILABLE: ")
    assert "\x1b" not in result.out
    assert max(map(len, lines)) < 300, "a long input is cut"


def test_lookup_unknown_dial_plan_lists_the_known_ones(service: Running) -> None:
    result = ask(service, "--dial-plan", "mars", "4158867900")

    assert result.code == 1
    assert "there is no dial plan 'mars': use one of kazoo, system" in result.out


def test_lookup_deadline_of_0_exits_with_3(service: Running) -> None:
    result = ask(service, "--json", "--timeout", "0", "4158867900")

    assert (result.code, result.json[0]["status"], result.json[0]["reason"]) == (3, "DEADLINE_EXCEEDED", None)


def test_lookup_other_server_is_unreachable(service: Running) -> None:
    result = run("lookup", "--target", service.admin, "4158867900")

    assert result.code == 3
    assert f"no did-router answers at {service.admin}" in result.complaint


def test_explain_shows_every_layer(service: Running) -> None:
    result = run("explain", "--target", service.target, "--json", "4158867900")
    explained = result.json[0]

    assert (result.code, result.err) == (0, "")
    assert set(explained) == {*EXPLAINED, "follower", "decision", "answer"}
    assert [set(explained[layer]) for layer in LAYERS] == [
        {"present", "revision", "age_seconds", "detail", "error", "account_id", "state"}
    ] * 5
    assert (explained["rule"], explained["number"], explained["database"]) == (
        "converter 1",
        "+14158867900",
        "numbers/+1415",
    )
    assert explained["redis"]["revision"] == explained["number_database"]["revision"]
    assert explained["follower"]["alive"] is True
    assert set(explained["follower"]) == {"alive", "leader", "checkpoint", "lag_seconds", "age_seconds", "error"}
    assert explained["answer"]["route"]["account_id"] == ACCOUNTS[0]


@pytest.mark.parametrize(
    ("number", "decision"),
    [
        ("+14158867904", "NOT_IN_SERVICE: +14158867904 is aging"),
        (b"\xff\xfe", "NOT_RECONCILABLE: '\ufffd\ufffd' is not a routable number"),
    ],
)
def test_explain_refusal_exits_with_1(service: Running, number: str | bytes, decision: str) -> None:
    result = run("explain", "--target", service.target, number, COLUMNS="200")

    assert result.code == 1
    assert decision in result.out
