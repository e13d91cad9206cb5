"""Pictures of the pages, for docs/console.md: `make console-pictures` writes them there."""

import copy
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from router.account_copies.names import account_database
from router.cli import sample_numbers
from router.console.context import Console
from router.console.figures import WorkerFigures
from router.console.history import INTERVAL, SPAN
from router.couch.errors import NotFoundError
from tests.integration.console.conftest import OpenBrowser, StartConsole
from tests.integration.real_stores import NUMBER, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pictures go."""
    return Path(os.environ.get("CONSOLE_PICTURES", tmp_path))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_the_pages(
    stores: RealStores,
    relay: Relay,
    start_console: StartConsole,
    open_browser: OpenBrowser,
    folder: Path,
    scheme: str,
) -> None:
    owner, second, third = list(sample_numbers.ACCOUNTS)[:3]
    for account in (owner, second, third):
        stores.account(account)
        stores.create(str(account_database(account)))
    stores.numbers("numbers/+1415", 60, account=owner)
    features = {"prepend": {"enabled": True, "name": "Sales"}, "inbound_cnam": {"enabled": True}}
    stores.number(
        NUMBER,
        owner,
        pvt_features=features,
        pvt_reserve_history=[second, third],
        pvt_used_by="callflow",
        pvt_created=63_800_000_000,
        pvt_modified=63_900_000_000,
    )
    operator = start_console(services=2, couchdb_read_timeout=0.5, follower_account_copies=True)
    eventually(lambda: NUMBER in _list(stores, owner), seconds=20)
    browser = open_browser(color_scheme=scheme)
    browser.page.set_viewport_size({"width": 1120, "height": 760})
    _show_traffic(operator.server.console)
    browser.log_in(operator)
    for name, path in {
        "health": "/",
        "why": f"/why?number={NUMBER.replace('+', '%2B')}&past=1",
        "numbers": f"/number/{NUMBER}?account={owner}",
    }.items():
        browser.page.goto(operator.url + path)
        browser.page.screenshot(path=folder / f"console-{name}-{scheme}.png")
    relay.cut()
    browser.page.goto(operator.url)
    browser.page.wait_for_selector(".verdict >> text=CouchDB is away")
    browser.page.screenshot(path=folder / f"console-fault-{scheme}.png")

    assert len(list(folder.glob(f"console-*-{scheme}.png"))) == 4


def _list(stores: RealStores, account: str) -> Mapping[str, object]:
    """Return an account's own list of numbers; the follower writes it."""
    try:
        return stores.databases.database(str(account_database(account))).get("phone_numbers")
    except NotFoundError:
        return {}


def _show_traffic(console: Console) -> None:
    """Fill the charts with a made-up quarter of an hour: nobody waits for a real one."""
    names = [(instance, "worker-0") for instance in console.admin.instances]
    counted = {name: WorkerFigures(memory=104e6 + 3e6 * index) for index, name in enumerate(names)}
    seconds = 0.0

    def count(at: float) -> None:
        nonlocal seconds
        seconds += INTERVAL
        for index, figures in enumerate(counted.values()):
            rate = 1200 + 300 * math.sin(seconds / 130 + index) + 60 * math.sin(seconds / 7)
            _add(figures, rate * INTERVAL)
        console.history.add(at, copy.deepcopy(counted))
        console.poller.polled_at = at

    async def poll() -> None:
        count(time.monotonic())

    console.poller.poll = poll  # type: ignore[method-assign]
    now = time.monotonic()
    for step in range(int(SPAN / INTERVAL), -1, -1):
        count(now - INTERVAL * step)


def _add(figures: WorkerFigures, calls: float) -> None:
    for source, share in {"near_cache": 0.87, "redis": 0.11, "number_database": 0.005}.items():
        figures.sources[source] += calls * share
    for reason, share in {"NUMBER_NOT_FOUND": 0.011, "NOT_IN_SERVICE": 0.004}.items():
        figures.refusals[reason] += calls * share
    for bound, share in {0.0001: 0.1, 0.0003: 0.6, 0.0006: 0.9, 0.001: 0.97, 0.002: 0.995, math.inf: 1.0}.items():
        figures.latency[bound] += calls * share
