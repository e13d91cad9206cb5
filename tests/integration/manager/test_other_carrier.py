"""`knm_other` against a carrier on a real socket: whatever fails, nothing is ever bought twice."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.lifecycle.document_writer import new_document
from router.manager.carriers.carrier import Carrier, CarrierError, CarrierOrder
from router.manager.carriers.registry import CarrierRegistry
from router.settings import Settings
from tests.integration.carrier_server import CarrierServer, carrier_server

NUMBER = "+14158867900"
ACCOUNT = "a" * 32
QUICK: dict[str, Any] = {"retry_backoff": 0.01}
IMPATIENT: dict[str, Any] = {"retry_backoff": 0.001, "read_timeout": 0.5, "timeout": 1.0, "max_attempts": 10}
DOCUMENT = replace(
    new_document(NUMBER, state="in_service", module_name="knm_other", authorizing_account=ACCOUNT, now=63877497874),
    assigned_to=ACCOUNT,
)
ORDER = CarrierOrder("key-1", DOCUMENT, {"mine": 1}, auth_by=ACCOUNT)


@pytest.fixture
def server() -> Iterator[CarrierServer]:
    with carrier_server() as made:
        yield made


def carrier(**settings: Any) -> Carrier:
    """`knm_other` as the settings make it."""
    made = Settings.load(None, carriers={"knm_other": {**QUICK, **settings}})
    return CarrierRegistry(made, CouchServer(CouchClient("http://127.0.0.1:1", timeout=1))).find("knm_other")


def refusal(act: Any) -> str:
    with pytest.raises(CarrierError) as problem:
        act()
    result = str(problem.value)
    assert result.isprintable()
    assert len(result) < 1000
    return result


def test_order_is_placed_and_the_carrier_s_data_kept(server: CarrierServer) -> None:
    data = carrier(url=server.url, token="s3cret").acquire(ORDER)

    assert data == {"mine": 1, "rate": "7", "order_id": "o1", "order_key": "key-1"}
    ((method, path, body, key),) = server.requests
    assert (method, path, key) == ("POST", "/api/orders", "key-1")
    assert body == {
        "idempotency_key": "key-1",
        "action": "acquire",
        "number": NUMBER,
        "account_id": ACCOUNT,
        "state": "in_service",
        "auth_by": ACCOUNT,
        "module_data": {"mine": 1},
    }
    assert server.headers[0]["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("forgets_keys", [False, True])
@pytest.mark.parametrize(
    "script",
    [
        ["busy"],
        ["busy", "busy", "busy"],
        ["take_and_cut"],
        ["take_and_hang"],
        ["fail"],
        ["garbage"],
        ["drip"],
        ["take_and_cut", "cut", "down"],
        ["take_and_cut", "lost", "lost"],
        ["busy", "take_and_hang", "down"],
        ["cut"],
        ["down"],
        ["down", "answer", "take_and_cut"],
        ["hang", "answer", "cut"],
    ],
)
def test_acquire_after_any_failure_buys_the_number_once(
    server: CarrierServer, script: list[str], *, forgets_keys: bool
) -> None:
    server.script, server.forgets_keys = list(script), forgets_keys

    data = carrier(url=server.url, **IMPATIENT).acquire(ORDER)

    assert server.sold == [NUMBER]
    assert data["order_id"] == "o1"
    assert {key for method, _, _, key in server.requests if method == "POST"} == {"key-1"}


def test_order_that_the_carrier_takes_late_is_one_order_under_its_key(server: CarrierServer) -> None:
    server.script = ["late"]

    data = carrier(url=server.url, **IMPATIENT).acquire(ORDER)
    server.over.set()
    server.server_close()  # waits for the late one

    assert (server.posts(), server.sold, data["order_id"]) == (2, [NUMBER], "o1")


@pytest.mark.parametrize("key", ["acquire:+14158867900:3-abc", "a/b?c=d#e%2F", "x" * 500])
def test_any_key_finds_its_order_again(server: CarrierServer, key: str) -> None:
    server.script, server.forgets_keys = ["take_and_cut"], True

    assert carrier(url=server.url).acquire(replace(ORDER, key=key))["order_key"] == key
    assert server.sold == [NUMBER]


@pytest.mark.parametrize("ambiguous", ["take_and_cut", "take_and_hang", "fail", "garbage"])
def test_while_nobody_knows_whether_it_was_taken_it_is_not_repeated(server: CarrierServer, ambiguous: str) -> None:
    server.script, server.forgets_keys = [ambiguous, *["down"] * 20], True

    result = refusal(lambda: carrier(url=server.url, **IMPATIENT).acquire(ORDER))

    assert (server.sold, server.posts()) == ([NUMBER], 1)
    assert "the order key-1 may have been taken, nothing more was ordered" in result


def test_same_order_again_is_the_same_order(server: CarrierServer) -> None:
    server.script = ["take_and_cut", *["down"] * 4]
    mine = carrier(url=server.url)
    refusal(lambda: mine.acquire(ORDER))

    assert mine.acquire(ORDER)["order_id"] == "o1"
    assert server.sold == [NUMBER]


@pytest.mark.parametrize(
    ("refusal_body", "reported"),
    [
        ({"message": "the number is taken"}, "it answered 402: the number is taken"),
        ({"error": "no\ncredit\x1b[31m"}, "it answered 402: no credit [31m"),
        ("<html>\x00Payment\r\n required</html>", "it answered 402: <html> Payment required</html>"),
        ({"message": "x" * 5000}, "it answered 402: " + "x" * 300 + "…"),
        ("", "it answered 402: it gave no reason"),
        ({}, "it answered 402: {}"),
    ],
)
def test_refusal_is_in_the_carrier_s_words_and_final(server: CarrierServer, refusal_body: Any, reported: str) -> None:
    server.script, server.refusal_body = ["refuse"], refusal_body

    assert refusal(lambda: carrier(url=server.url).acquire(ORDER)) == reported
    assert (server.sold, server.posts()) == ([], 1)


def test_refused_order_and_a_redirect_are_final(server: CarrierServer) -> None:
    server.script = ["refused", "moved"]

    assert "no such area" in refusal(lambda: carrier(url=server.url).acquire(ORDER))
    assert "302" in refusal(lambda: carrier(url=server.url).acquire(ORDER))
    assert server.posts() == 2


def test_pending_order_is_asked_for_until_it_is_done(server: CarrierServer) -> None:
    server.script = ["pending"]

    assert "is pending" in refusal(lambda: carrier(url=server.url).acquire(ORDER))
    server.orders["key-1"]["status"] = "completed"
    server.script = ["pending"]

    assert carrier(url=server.url).acquire(ORDER)["order_id"] == "o1"
    assert server.sold == [NUMBER]


def test_carrier_that_nobody_reaches_sold_nothing(server: CarrierServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    result = refusal(lambda: carrier(url=f"http://127.0.0.1:{port}", max_attempts=2).acquire(ORDER))

    assert result.startswith(f"nothing was ordered: no connection to 127.0.0.1:{port}")


def test_dry_run_sends_nothing(server: CarrierServer) -> None:
    assert carrier(url=server.url).acquire(replace(ORDER, dry_run=True)) == {"mine": 1}
    assert server.requests == []


@pytest.mark.parametrize("disconnects", [False, True])
def test_released_number_is_ordered_off_where_the_settings_say_so(server: CarrierServer, *, disconnects: bool) -> None:
    data = carrier(url=server.url, disconnects=disconnects).disconnect(ORDER)

    assert [body["action"] for _, _, body, _ in server.requests] == ["disconnect"] * disconnects
    assert ("order_id" in data) is disconnects


def test_without_a_url_it_says_which_setting_is_missing() -> None:
    assert refusal(lambda: carrier().acquire(ORDER)).startswith("setting 'carriers.knm_other.url' is missing")


@pytest.mark.parametrize(
    ("settings", "reported"),
    [
        ({"url": "ftp://example.com"}, "carriers.knm_other.url'"),
        ({"url": "https://user:s3cret@example.com"}, "credentials go into"),
        ({"url": "http://x", "tokens": "s3cret"}, "carriers.knm_other.tokens'"),
        ({"url": "http://x", "max_attempts": 0}, "carriers.knm_other.max_attempts'"),
        ({"url": "http://x", "token": ["s3cret"]}, "carriers.knm_other.token'"),
        ({"url": "http://x", "token": "s3cret\nand more"}, "carriers.knm_other.token'"),
        ({"url": "http://x", "token_file": "/nowhere/at/all"}, "No such file"),
    ],
)
def test_other_carrier_unusable_settings_are_reported_without_secrets(
    settings: dict[str, Any], reported: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = carrier(**settings)

    for act in (broken.acquire, broken.disconnect):
        result = refusal(lambda act=act: act(ORDER))
        assert reported in result
        assert "did-router check" in result
    assert "s3cret" not in result + caplog.text
    assert "s3cret" not in repr(Settings.load(None, carriers={"knm_other": settings}))


def test_token_may_stand_in_a_file(server: CarrierServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")

    carrier(url=server.url, token_file=str(tmp_path / "token")).acquire(ORDER)
    carrier(url=server.url, username="u", password="p").acquire(replace(ORDER, key="key-2"))

    assert [each["Authorization"] for each in server.headers] == ["Bearer from-a-file", "Basic dTpw"]
