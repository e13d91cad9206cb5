"""A console before real services, and a visitor's browser."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from router.console.server import ConsoleServer
from tests.integration.conftest import Running, StartService
from tests.integration.real_stores import RealStores
from tests.integration.tokens import Tokens

CHROMIUM = Path("/usr/bin/chromium")
_PATIENCE = 60_000
"""Milliseconds that a page may take on a busy machine before it counts as broken."""
ALL = "lookup,manage,system,admin"


@dataclass
class Operator:
    """A console, the services behind it, and tokens.

    Attributes:
        url: the console's, without a slash at its end.
    """

    server: ConsoleServer
    services: list[Running]
    tokens: Tokens

    @property
    def url(self) -> str:
        return self.server.url.rstrip("/")


StartConsole = Callable[..., Operator]


@pytest.fixture
def start_console(stores: RealStores, start_service: StartService, tmp_path: Path) -> Iterator[StartConsole]:
    """Starts services with tokens, and a console before them."""
    started: list[ConsoleServer] = []

    def start(services: int = 1, *, scopes: str = ALL, **settings: Any) -> Operator:
        tokens = Tokens(tmp_path / "tokens", operator=scopes)
        shared = {"token_file": str(tokens.path), **settings}
        running = [start_service(with_follower=index == 0, **shared) for index in range(services)]
        for each in running:
            each.wait_ready()
        server = ConsoleServer(
            stores.settings(
                console_listen="127.0.0.1:0",
                console_services=tuple(f"127.0.0.1:{each.service.transport.port}" for each in running),
                console_instances=tuple(f"127.0.0.1:{each.service.admin.port}" for each in running),
            )
        )
        server.start()
        started.append(server)
        return Operator(server, running, tokens)

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright.

    It ends with each module: Playwright leaves an event loop running in the thread, in which nobody else's
    `asyncio.run` works.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: make test-console installs it")
    with playwright.sync_playwright() as driver:
        # No sandbox: the tests may run as root, which Chromium's sandbox refuses; the pages are our own.
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


class Browser:
    """One visitor's browser: its page, and what it complained of."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.page = context.new_page()
        self.page.set_default_timeout(_PATIENCE)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def log_in(self, operator: Operator, token: str = "operator") -> None:
        """Open the console, and paste a token."""
        self.page.goto(operator.url)
        self.page.fill("#token", operator.tokens.plain[token])
        self.page.click("text=Log in >> nth=-1")
        self.page.wait_for_selector("nav")


OpenBrowser = Callable[..., Browser]


@pytest.fixture
def open_browser(chromium: Any) -> Iterator[OpenBrowser]:
    """Opens browsers that share nothing."""
    opened: list[Any] = []

    def start(**options: Any) -> Browser:
        context = chromium.new_context(viewport={"width": 1280, "height": 860}, **options)
        opened.append(context)
        return Browser(context)

    yield start
    for each in opened:
        each.close()
