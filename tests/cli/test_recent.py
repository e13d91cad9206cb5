"""`did-router recent`: the last refused and slow lookups of all workers."""

import json

import pytest

from tests.cli.command import Running, run


def refuse(service: Running, number: str = "+14158860000") -> None:
    run("lookup", "--target", service.target, number)


def test_recent_shows_refused_lookups_newest_first_with_why(service: Running) -> None:
    refuse(service, "+14158860001")
    refuse(service, "+14158860002")

    shown = run("recent", "--admin", service.admin, "--json", "--limit", "2")
    lines = [json.loads(line) for line in shown.out.splitlines()]
    table = run("recent", "--admin", service.admin)

    assert (shown.code, shown.err) == (0, "")
    assert [line["asked"] for line in lines] == ["+14158860002", "+14158860001"]
    assert {(line["result"], line["reason"], line["protocol"]) for line in lines} == {
        ("refusal", "NUMBER_NOT_FOUND", "grpc")
    }
    assert "there is no number document +14158860002" in table.out


def test_recent_has_no_number_where_none_was_normalised(service: Running) -> None:
    refuse(service, "no number")

    shown = run("recent", "--admin", service.admin, "--json", "--limit", "1")
    line = json.loads(shown.out)

    assert (line["asked"], line["number"], line["reason"]) == ("no number", None, "NOT_RECONCILABLE")


@pytest.mark.parametrize("text", ["1\nFORGED", "1\x1b[31m", "1" * 5000], ids=["line", "escape", "long"])
def test_recent_shows_no_text_that_harms_a_terminal(service: Running, text: str) -> None:
    run("lookup", "--target", service.target, "--dial-plan", text, text)

    line = json.loads(run("recent", "--admin", service.admin, "--json", "--limit", "1").out)

    assert line["asked"].startswith("1")
    for field in ("asked", "dial_plan", "message"):
        assert line[field].isprintable()
        assert len(line[field]) < 400


@pytest.mark.parametrize("admin", ["127.0.0.1:1", "http://127.0.0.1:1"])
def test_recent_without_a_service_says_where_it_asked(admin: str) -> None:
    result = run("recent", "--admin", admin)

    assert result.code == 3
    assert "no did-router answers at http://127.0.0.1:1" in result.err
    assert "admin_listen" in result.err
