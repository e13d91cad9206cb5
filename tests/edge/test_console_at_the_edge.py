"""The console over HTTPS, before a service behind the edge whose certificates are a private authority's."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from signal import SIGTERM
from urllib.parse import urlencode

import pytest

from tests.cli.command import ACCOUNTS, Process
from tests.edge.deployment import PATIENT, Instance, Stores, launch
from tests.integration.certificates import CertAuthority
from tests.integration.tokens import Tokens
from tests.support.waiting import eventually

EVERYWHERE = "0.0.0.0:0"
TOKEN = "operator"


@dataclass
class Visitor:
    """A visitor's browser, without its eyes."""

    port: int
    authority: CertAuthority
    cookie: str = ""

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str]:
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        connection = HTTPSConnection("localhost", self.port, timeout=30, context=context)
        headers = {"Origin": f"https://localhost:{self.port}", "Cookie": self.cookie}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urlencode(fields or {}) if fields else None, headers)
        response = connection.getresponse()
        text = response.read().decode()
        self.cookie = (response.getheader("Set-Cookie") or self.cookie).partition(";")[0]
        connection.close()
        return response.status, text

    def log_in(self, token: str) -> int:
        return self.ask("POST", "/login", {"token": token})[0]

    def page(self, path: str) -> str:
        status, text = self.ask("GET", path)
        assert status == 200, text
        return text


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    return Tokens(tmp_path_factory.mktemp("tokens") / "tokens", **{TOKEN: "lookup,manage,system,admin"})


@pytest.fixture(scope="module")
def guarded(shared: Stores, tokens: Tokens) -> Iterator[Instance]:
    """A service whose admin pages other machines reach, too."""
    made = launch(shared, *PATIENT, "--admin", EVERYWHERE, "--set", f"token_file={tokens.path}", "--with-follower")
    yield made
    made.end()


def console(guarded: Instance, shared: Stores, ca: Path) -> tuple[Process, Visitor]:
    """Start a console before the service."""
    admin = guarded.running.admin.rpartition(":")[2]
    process = Process(
        *("console", "--listen", EVERYWHERE, "--service", f"localhost:{guarded.port}"),
        *("--instance", f"https://localhost:{admin}", "--set", f"console_ca={ca}"),
        *("--set", f"tls_certificate={shared.folder / 'service.pem'}", "--set", f"tls_key={shared.folder}/service.key"),
    )
    port = int(process.wait_for(r"console: https://0\.0\.0\.0:(\d+)/", 60)[1])
    return process, Visitor(port, shared.authority)


def test_console_over_tls_answers_the_three_questions(
    guarded: Instance, shared: Stores, tokens: Tokens, tmp_path: Path
) -> None:
    guarded.running.process.wait_for("readiness: ready:", 60)
    process, visitor = console(guarded, shared, shared.authority.write(tmp_path / "ca.pem"))
    try:
        refused, accepted = visitor.log_in("didr_wrong"), visitor.log_in(tokens.plain[TOKEN])
        health, why = visitor.page("/"), visitor.page("/why?number=4158867900")
        number = visitor.page(f"/number/+14158867900?account={ACCOUNTS[0]}")
    finally:
        code = process.end(SIGTERM)

    assert (refused, accepted, code) == (401, 303, 0)
    assert visitor.cookie.startswith("__Host-did-router-console=")
    assert "Serving with 2 workers" in health
    assert why.count('<span class="where">worker-') == 2, "the near cache of every worker behind the edge"
    assert "near caches of" not in why
    assert f'href="/account/{ACCOUNTS[0]}"' in why
    assert "in_service" in number


def test_console_that_trusts_another_authority_says_so(
    guarded: Instance, shared: Stores, tokens: Tokens, tmp_path: Path
) -> None:
    process, visitor = console(guarded, shared, CertAuthority().write(tmp_path / "ca.pem"))
    pages: list[tuple[int, str]] = []

    def names_the_certificate() -> bool:
        # gRPC tells the last failure of several addresses: localhost is ::1 as well, where nothing listens.
        pages.append(visitor.ask("POST", "/login", {"token": tokens.plain[TOKEN]}))
        return "CERTIFICATE_VERIFY_FAILED" in pages[-1][1]

    try:
        eventually(names_the_certificate, 20)
    finally:
        process.end(SIGTERM)

    assert {status for status, _ in pages} == {503}
    assert all("no service answers at localhost" in text for _, text in pages)
