"""Two faults as an operator finds them, with the console alone; docs/console.md tells the same story.

`make console-pictures` writes a picture of each step.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from tests.integration.console.conftest import OpenBrowser, StartConsole
from tests.integration.real_stores import NUMBER, ONE, TWO, RealStores
from tests.support.waiting import eventually

SHARD = "numbers/+1415"


@pytest.fixture
def redis() -> Iterator[EmbeddedRedis]:
    """A Redis that the test may stop."""
    server = EmbeddedRedis().start()
    yield server
    server.stop()


@pytest.fixture
def stores(couchdb: EmbeddedCouchDB, redis: EmbeddedRedis) -> Iterator[RealStores]:
    made = RealStores(couchdb, redis.url)
    yield made
    made.close()


class Steps:
    """What an operator does, and keeps pictures of."""

    def __init__(self, browser: object, url: str, folder: Path) -> None:
        self.page = browser.page  # type: ignore[attr-defined]
        self._url = url
        self._folder = folder
        self.reported: list[str] = []

    def picture(self, name: str) -> None:
        """Keep a picture, and what the page says first."""
        self.page.screenshot(path=self._folder / f"console-found-{len(self.reported) + 1}-{name}.png")
        self.reported.append(self.page.locator(".verdict p, .decision .big").first.inner_text())

    def health(self, text: str) -> None:
        """Look at Health until its verdict says so."""
        self.page.goto(self._url)
        self.page.wait_for_selector(f".verdict >> text={text}", timeout=60_000)

    def alerts(self) -> str:
        return str(self.page.locator(".alerts").inner_text())

    def why(self, text: str) -> None:
        """Ask why, until the decision says so."""

        def decided() -> bool:
            self.page.goto(f"{self._url}/why?number={NUMBER.replace('+', '%2B')}")
            return text in self.page.locator(".decision").inner_text()

        eventually(decided, 60)

    def layer(self, name: str) -> str:
        heading = self.page.locator("th", has_text=re.compile(rf"^\s*{name}"))
        row = self.page.locator("table.layers tbody tr", has=heading).first
        return " ".join(str(row.inner_text()).split())


@pytest.mark.timeout(300)
def test_operator_finds_both_faults_with_the_console_alone(
    stores: RealStores,
    redis: EmbeddedRedis,
    start_console: StartConsole,
    open_browser: OpenBrowser,
    tmp_path: Path,
) -> None:
    for account in (ONE, TWO):
        stores.account(account)
    stores.numbers(SHARD, 20)
    stores.number(NUMBER, ONE)
    operator = start_console(redis_timeout=1, couchdb_read_timeout=2)
    eventually(lambda: stores.cached() == ONE)
    browser = open_browser()
    browser.page.set_viewport_size({"width": 1120, "height": 640})
    browser.log_in(operator)
    steps = Steps(browser, operator.url, Path(os.environ.get("CONSOLE_PICTURES", tmp_path)))
    steps.health("none is behind")

    redis.stop()
    steps.health("Redis is away")
    assert "Restore Redis" in steps.alerts()
    steps.picture("redis-is-away")
    steps.why(ONE)
    assert "can't be read" in steps.layer("Redis")
    steps.picture("numbers-still-route")

    with EmbeddedRedis(int(redis.url.rpartition(":")[2].partition("/")[0])):
        steps.health("none is behind")
        steps.why(ONE)
        assert "nothing" not in steps.layer("Redis")
        steps.picture("redis-is-back")

        stores.databases.database(SHARD).drop()
        steps.why("NUMBER_NOT_FOUND")
        assert f"the database {SHARD} does not exist" in steps.layer("number document")
        steps.picture("shard-is-dropped")

        stores.number(NUMBER, TWO)
        steps.why(TWO)
        eventually(lambda: stores.cached() == TWO, 60)
        steps.why(TWO)
        assert browser.page.locator("tr.differs").count() == 0
        steps.picture("shard-is-made-again")
        steps.health("none is behind")
    sentence, *decisions = steps.reported
    assert sentence.startswith("Serving")
    assert ". Redis is away for the worker" in sentence
    assert decisions == [
        f"{NUMBER} routes to account {ONE}",
        f"{NUMBER} routes to account {ONE}",
        f"{NUMBER} has no document, and no single active port request",
        f"{NUMBER} routes to account {TWO}",
    ]
