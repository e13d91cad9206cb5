"""The common part of all pages: no page without a login, headers, origins, and a token that stays inside."""

import logging
import re
import socket
import time
from collections.abc import Callable

import pytest
from starlette.routing import Mount, Route

from router.console.app import build_app
from router.console.security import COOKIE, CSP
from router.settings import SettingsError
from tests.component.console.conftest import StartConsole, Visitor, worker_state

TOKEN = "didr_a-token-that-nobody-else-may-see"
PUBLIC = {"/login"}


def paths_of(visitor: Visitor) -> list[tuple[str, str]]:
    """Each route's method and an example of its path, from the route table itself."""
    routes = build_app(visitor.server.console).routes
    assert all(isinstance(route, Route | Mount) for route in routes)
    return [
        (method, re.sub(r"{\w+(:path)?}", "0" * 32, route.path))
        for route in routes
        if isinstance(route, Route)
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


def test_every_page_without_a_session_is_303_or_401(start_console: StartConsole) -> None:
    visitor = start_console()
    routes = [(method, path) for method, path in paths_of(visitor) if path not in PUBLIC]
    assert len(routes) >= 9

    for method, path in [*routes, ("GET", "/nothing"), ("GET", "/docs")]:
        plain = visitor.get(path) if method == "GET" else visitor.post(path)
        refresh = visitor.get(path, **{"HX-Request": "true"})
        assert plain.status == 303, path
        assert plain.headers["location"].startswith("/login"), path
        assert refresh.status == 401, path
        assert refresh.headers["hx-redirect"] == "/login"


def test_session_of_another_time_or_place_opens_nothing(start_console: StartConsole) -> None:
    visitor = start_console()

    for cookie in (f"{COOKIE}=made-up", f'{COOKIE}="', f"{COOKIE}=", "other=1"):
        assert visitor.get("/why", Cookie=cookie).status == 303


def test_responses_carry_the_security_headers(start_console: StartConsole) -> None:
    visitor = start_console()

    for answer in (visitor.get("/login"), visitor.get("/"), visitor.get("/static/console.css"), visitor.post("/login")):
        assert answer.headers["content-security-policy"] == CSP
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1"])
def test_post_from_another_site_is_refused(start_console: StartConsole, origin: str) -> None:
    visitor = start_console().log_in()

    answer = visitor.post("/logout", headers={"Origin": origin})

    assert answer.status == 403
    assert visitor.get("/why").status == 200, "still logged in"


def test_post_without_origin_needs_the_browsers_word(start_console: StartConsole) -> None:
    visitor = start_console()

    assert visitor.log_in().post("/logout", headers={}).status == 403
    assert visitor.log_in().post("/logout", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    assert visitor.log_in().post("/logout", headers={"Sec-Fetch-Site": "same-origin"}).status == 303


def test_log_out_ends_the_session(start_console: StartConsole) -> None:
    visitor = start_console().log_in()
    assert visitor.get("/why").status == 200

    answer = visitor.post("/logout")

    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert visitor.get("/why").status == 303


def test_get_changes_nothing(start_console: StartConsole) -> None:
    visitor = start_console().log_in()

    assert visitor.get("/logout").status == 405
    assert visitor.get("/why").status == 200


def test_login_while_no_service_answers_opens_nothing(start_console: StartConsole) -> None:
    visitor = start_console()

    answer = visitor.post("/login", {"token": TOKEN})

    assert answer.status == 503
    assert "no service answers at 127.0.0.1:1" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("fields", "status"),
    [({}, 400), ({"token": "Bearer x"}, 400), ({"token": "näh"}, 400), ({"token": "x" * 5000}, 400)],
)
def test_login_with_no_token_says_what_to_paste(
    start_console: StartConsole, fields: dict[str, str], status: int
) -> None:
    visitor = start_console()

    assert visitor.post("/login", fields).status == status


@pytest.mark.parametrize(
    ("target", "shown"),
    [("/why?number=1", "/why?number=1"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/\\evil", "/")],
)
def test_login_goes_on_to_this_site_only(start_console: StartConsole, target: str, shown: str) -> None:
    answer = start_console().get(f"/login?next={target.replace('?', '%3F')}")

    assert f'name="next" value="{shown}"' in answer.text


def test_token_is_in_no_page_header_or_log(
    start_console: StartConsole, start_instance: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    visitor = start_console(console_instances=(start_instance({"workers": {"worker-0": worker_state()}}),))
    session = visitor.log_in(TOKEN)

    answers = [session.get(path) for method, path in paths_of(visitor) if method == "GET"]

    assert [answer.status for answer in answers if answer.status not in {200, 303, 400, 503}] == []
    for answer in answers:
        assert TOKEN not in answer.text
        assert TOKEN not in str(answer.headers)
    assert TOKEN not in caplog.text


def test_silent_connections_are_closed_and_keep_nobody_out(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.console.server._REQUEST_TIMEOUT", 0.5)
    visitor = start_console()
    host, port = visitor.server.address.split(":")
    silent = [socket.create_connection((host, int(port)), timeout=10) for _ in range(64)]
    silent[1].sendall(b"GET /login HTTP/1.1\r\nHost: ")

    assert visitor.get("/login").status == 200
    began = time.monotonic()
    assert [each.recv(1) for each in silent] == [b""] * len(silent)
    assert time.monotonic() - began < 9
    for each in silent:
        each.close()


def test_console_where_strangers_reach_it_wants_tls(start_console: StartConsole) -> None:
    with pytest.raises(SettingsError, match="tokens would cross the network"):
        start_console(console_listen="0.0.0.0:0")
