"""What an operator does in a browser: log in, see a fault, see a layer that differs, page through numbers."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from router.account_copies.names import account_database
from router.entries.codec import unpack
from router.v1 import inbound_pb2 as pb
from tests.integration.console.conftest import OpenBrowser, StartConsole
from tests.integration.real_stores import NUMBER, ONE, TWO, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

_NOTICED_WITHIN = 5.0
"""Seconds within which an operator must see that a store is away."""
_TRIES = 4
"""A busy machine shows some of them late, and hardly all."""
_AXE = Path(sys.prefix) / "node" / "node_modules" / "axe-core" / "axe.min.js"
_WIRE_ERRORS = ("401", "503", "404")
"""Statuses of pages that are shown on purpose, and that Chromium reports all the same."""


@pytest.fixture
def stocked(stores: RealStores) -> RealStores:
    """Numbers of an account, which has a document."""
    stores.account(ONE)
    stores.number(NUMBER, pvt_features={"prepend": {"enabled": True, "name": "Sales"}}, pvt_reserve_history=[TWO])
    return stores


def test_operator_sees_within_seconds_that_couchdb_is_away(
    stocked: RealStores, relay: Relay, start_console: StartConsole, open_browser: OpenBrowser
) -> None:
    operator = start_console(couchdb_read_timeout=0.5)
    browser = open_browser()
    browser.log_in(operator)
    browser.page.wait_for_selector(".verdict >> text=Serving")
    noticed_after: list[float] = []
    while len(noticed_after) < _TRIES and min(noticed_after, default=_NOTICED_WITHIN) >= _NOTICED_WITHIN:
        relay.release()
        browser.page.wait_for_selector(".verdict:not(:has-text('CouchDB'))")
        cut_at = time.monotonic()
        relay.cut()
        browser.page.wait_for_selector(".verdict >> text=CouchDB is away")
        noticed_after.append(time.monotonic() - cut_at)
        assert "Restore CouchDB" in browser.page.locator(".alerts").inner_text()

    assert min(noticed_after) < _NOTICED_WITHIN, f"seen after {noticed_after} s"


def test_number_whose_redis_entry_was_changed_shows_the_layer(
    stocked: RealStores, start_console: StartConsole, open_browser: OpenBrowser
) -> None:
    operator = start_console()
    eventually(lambda: stocked.cached() == ONE)
    _change_redis_entry(stocked)
    browser = open_browser()
    browser.log_in(operator)

    browser.page.click("text=Why")
    browser.page.fill("#number", "(415) 886-7900")
    browser.page.click("text=Explain")

    marked = browser.page.locator("tr.differs", has_text="Redis")
    assert marked.count() == 1
    assert "another account" in marked.inner_text()
    assert browser.page.locator("tr.differs", has_text="number document").count() == 0
    assert browser.page.locator("ol.steps li").count() == 7


def test_every_workers_near_cache_is_shown(
    stocked: RealStores, start_console: StartConsole, open_browser: OpenBrowser
) -> None:
    operator = start_console(services=2)
    second = operator.services[1]
    lookup, token = pb.LookupRequest(number=NUMBER), operator.tokens.shown("operator")
    eventually(lambda: second.caller.stub.Lookup(lookup, timeout=20, metadata=token).source == pb.NEAR_CACHE)
    browser = open_browser()
    browser.log_in(operator)

    browser.page.goto(f"{operator.url}/why?number={NUMBER.replace('+', '%2B')}")

    rows = browser.page.locator("tr", has_text="near cache")
    assert rows.count() == 2
    assert f"127.0.0.1:{second.service.admin.port}" in rows.nth(1).inner_text()
    assert ONE in rows.nth(1).inner_text()


def test_1000_numbers_page_through_and_are_all_in_the_csv(
    stores: RealStores, start_console: StartConsole, open_browser: OpenBrowser
) -> None:
    stores.account(ONE)
    names = stores.numbers("numbers/+1415", 1000)
    browser = open_browser(accept_downloads=True)
    operator = start_console()
    browser.log_in(operator)
    browser.page.goto(f"{operator.url}/account/{ONE}?thorough=1")

    found = browser.page.locator("tbody th").all_inner_texts()
    pages = 1
    while browser.page.locator("a[rel=next]").count():
        browser.page.click("a[rel=next]")
        browser.page.wait_for_url(f"**after=%2B{found[-1][1:]}*", wait_until="load")
        found += browser.page.locator("tbody th").all_inner_texts()
        pages += 1

    assert (found, pages) == (names, 10)
    with browser.page.expect_download() as download:
        browser.page.click("text=CSV")
    lines = Path(download.value.path()).read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == names
    browser.page.fill("#prefix", "+1415000042")
    browser.page.click("text=Filter")
    browser.page.wait_for_url("**prefix=%2B1415000042*", wait_until="load")
    assert browser.page.locator("tbody th").all_inner_texts() == names[420:430]


def test_number_page_shows_accounts_copies_that_differ(
    stocked: RealStores, start_console: StartConsole, open_browser: OpenBrowser
) -> None:
    database = str(account_database(ONE))
    stocked.put(database, "phone_numbers", **{NUMBER: {"state": "aging"}})
    operator = start_console()
    browser = open_browser()
    browser.log_in(operator)
    browser.page.goto(f"{operator.url}/number/{NUMBER}?account={ONE}")

    rows = browser.page.locator("table.copies tbody tr")
    shown = {text.split()[0]: text for text in rows.all_inner_texts()}
    differing = browser.page.locator("table.copies tr.differs")
    assert set(shown) == {ONE, TWO}
    assert "its list has other values" in shown[ONE]
    assert "the account's database is missing" in shown[TWO]
    assert differing.count() == 1
    assert "1 differs from the document" in browser.page.locator("main").inner_text()


def test_token_is_in_no_response_cookie_or_log(
    stocked: RealStores, start_console: StartConsole, open_browser: OpenBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    operator = start_console()
    token = operator.tokens.plain["operator"]
    browser = open_browser()

    received = []
    with browser.page.expect_response(lambda response: response.request.method == "POST") as posted:
        browser.log_in(operator)
    received.append(str(posted.value.all_headers()))
    with browser.page.expect_response("**/health") as refreshed:
        pass
    received += [refreshed.value.text(), str(refreshed.value.all_headers())]
    for path in _pages():
        response = browser.page.goto(operator.url + path)
        received += [response.text(), str(response.all_headers())]
    cookies = browser.context.cookies()
    page_cookies = browser.page.evaluate("document.cookie")
    browser.page.click("text=Log out")

    assert [(cookie["name"][:7], cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) for cookie in cookies] == [
        ("__Host-", True, True, "Strict")
    ]
    assert page_cookies == ""
    assert len(received) > 10
    for where in (*received, str(cookies), caplog.text):
        assert token not in where


def test_pages_work_without_javascript(
    stocked: RealStores, start_console: StartConsole, open_browser: OpenBrowser
) -> None:
    operator = start_console()
    browser = open_browser(java_script_enabled=False)
    browser.log_in(operator)

    assert "Serving" in browser.page.locator(".verdict").inner_text()
    browser.page.click("text=Why")
    browser.page.fill("#number", NUMBER)
    browser.page.click("text=Explain")
    assert ONE in browser.page.locator(".decision").inner_text()
    browser.page.click("text=The number's document")
    assert "Sales" in browser.page.locator("main").inner_text()
    browser.page.click("text=Log out")
    assert browser.page.url.endswith("/login")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_keep_the_policy(
    stocked: RealStores, start_console: StartConsole, open_browser: OpenBrowser, scheme: str
) -> None:
    if not _AXE.exists():
        pytest.skip(f"there is no {_AXE}: make test-console installs it")
    operator = start_console()
    browser = open_browser(color_scheme=scheme)
    browser.page.goto(f"{operator.url}/login")
    findings = _serious(browser.page, "/login")
    browser.log_in(operator)
    for path in _pages():
        browser.page.goto(operator.url + path)
        findings += _serious(browser.page, path)

    assert findings == []
    complaints = [text for text in browser.complaints if not any(status in text for status in _WIRE_ERRORS)]
    assert complaints == [], "the content security policy lets everything pass that the pages need"


def test_visitor_sees_what_the_token_allows_and_what_it_lacks(
    stocked: RealStores, start_console: StartConsole, open_browser: OpenBrowser
) -> None:
    operator = start_console(scopes="lookup")
    browser = open_browser()
    browser.log_in(operator)

    assert "does not open the admin pages" in browser.page.locator(".verdict").inner_text()
    assert "wants admin" in browser.page.locator("main").inner_text()
    browser.page.goto(f"{operator.url}/account/{ONE}")
    assert "wants manage" in browser.page.locator("main").inner_text()
    browser.page.goto(f"{operator.url}/why?number=4158867900")
    assert "--scope admin" in browser.page.locator("main").inner_text()
    assert ONE in browser.page.locator(".decision").inner_text()


def test_removed_token_ends_the_session(
    stocked: RealStores, start_console: StartConsole, open_browser: OpenBrowser
) -> None:
    operator = start_console()
    browser = open_browser()
    browser.log_in(operator)

    operator.tokens.replace(other="lookup")
    eventually(lambda: operator.services[0].page("/state", operator.tokens.plain["other"])[0] == 403)

    browser.page.wait_for_url("**/login", timeout=20_000)


def _pages() -> tuple[str, ...]:
    return (
        "/",
        "/why",
        "/why?number=4158867900&past=1",
        "/why?number=reception",
        "/numbers",
        f"/account/{ONE}?thorough=1",
        f"/number/{NUMBER}?account={ONE}",
        "/number/+14150000000",
    )


def _serious(page: Any, path: str) -> list[str]:
    page.wait_for_load_state()
    page.evaluate(_AXE.read_text("utf-8"))  # as the debugger does: the page's own policy lets no other script in
    result = page.evaluate("axe.run()")
    return [
        f"{path}: {each['id']} ({each['impact']}): {[node['html'] for node in each['nodes']]}"
        for each in result["violations"]
        if each["impact"] in {"serious", "critical"}
    ]


def _change_redis_entry(stores: RealStores) -> None:
    """Write another account into the number's entry, as a person with redis-cli and too much time would."""
    held = unpack(stores.redis.get(stores.keys.number(NUMBER)))
    assert held is not None
    route = pb.LookupResponse.FromString(held.payload)
    route.account_id = TWO
    changed = type(held)(held.version, held.kind, held.written, route.SerializeToString())
    stores.redis.set(stores.keys.number(NUMBER), changed.pack())
