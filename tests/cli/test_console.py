"""did-router console, and serve --with-console."""

import http.client
import signal
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.cli.command import SERVE, Start, children_of, is_running, run
from tests.integration.certificates import CertAuthority
from tests.support.waiting import eventually

LISTEN = ("--set", "console_listen=127.0.0.1:0")


def _log_in(port: int, key: str) -> tuple[int, str]:
    """The status of a login, and the cookie that it sets."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login", urlencode({"token": key}), headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.getheader("Set-Cookie") or ""


def _health(port: int, cookie: str) -> str:
    """The first page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/", headers={"Cookie": cookie.partition(";")[0]})
    text = connection.getresponse().read().decode()
    connection.close()
    return text


@pytest.fixture
def authority() -> CertAuthority:
    return CertAuthority()


@pytest.fixture
def tls(authority: CertAuthority, tmp_path: Path) -> tuple[str, ...]:
    """Flags of a service whose calls and admin pages use TLS, without tokens."""
    certificate, key = authority.issue(tmp_path)
    files = "--set", f"tls_certificate={certificate}", "--set", f"tls_key={key}"
    return *files, "--transport", "grpcio", "--admin", "0.0.0.0:0", "--insecure"


def test_console_without_services_waits_for_them_and_ends_cleanly(start: Start) -> None:
    console = start("console", "--listen", "127.0.0.1:0", "--service", "127.0.0.1:1", "--instance", "127.0.0.1:1")
    port = int(console.wait_for(r"console: http://127\.0\.0\.1:(\d+)/", 60)[1])

    status, cookie = _log_in(port, "didr_x")

    assert (status, cookie) == (503, "")
    assert console.end(signal.SIGTERM) == 0


def test_serve_with_console_prints_its_key_and_ends_with_it(start: Start, stores: tuple[str, ...]) -> None:
    serve = start(*SERVE, "--with-console", *LISTEN, *stores)
    port = int(serve.wait_for(r"console: http://127\.0\.0\.1:(\d+)/", 60)[1])
    key = serve.wait_for(r"console: log in with (console_\S+)", 60)[1]
    children = children_of(serve.popen.pid)

    refused, accepted = _log_in(port, "console_guess"), _log_in(port, key)

    assert refused == (401, "")
    assert accepted[0] == 303
    assert accepted[1].startswith("__Host-did-router-console=")
    assert serve.end(signal.SIGTERM, 30) == 0
    eventually(lambda: not any(map(is_running, children)), seconds=10)


def test_console_beside_a_service_with_tls_shows_its_workers(
    start: Start, stores: tuple[str, ...], tls: tuple[str, ...], authority: CertAuthority, tmp_path: Path
) -> None:
    ca = authority.write(tmp_path / "ca.pem")
    serve = start(*SERVE, *tls, "--with-console", *LISTEN, "--set", f"console_ca={ca}", *stores)
    port = int(serve.wait_for(r"console: http://127\.0\.0\.1:(\d+)/", 60)[1])
    key = serve.wait_for(r"console: log in with (console_\S+)", 60)[1]

    status, cookie = _log_in(port, key)

    assert status == 303
    eventually(lambda: "worker-0" in _health(port, cookie), seconds=20)
    assert serve.end(signal.SIGTERM, 30) == 0


def test_console_beside_tls_without_an_authority_names_the_settings(
    stores: tuple[str, ...], tls: tuple[str, ...]
) -> None:
    ended = run(*SERVE, *tls, "--with-console", *LISTEN, *stores)

    assert ended.code == 2
    assert "console_ca" in ended.complaint
    assert "console_services" in ended.complaint


def test_console_names_the_settings_when_its_service_speaks_tls(
    start: Start, stores: tuple[str, ...], tls: tuple[str, ...]
) -> None:
    serve = start(*SERVE, *tls, *stores)
    target = serve.wait_for(r"listening on (\S+), admin on", 60)[1]
    console = start("console", "--listen", "127.0.0.1:0", "--service", target, "--instance", "127.0.0.1:1")

    assert console.wait_for(rf"console: no service answers at {target}: .*: if it uses TLS, set console_ca", 60)


def test_console_on_an_address_of_strangers_is_refused(stores: tuple[str, ...]) -> None:
    for command in (("console",), ("serve", "--with-console")):
        ended = run(*command, *stores, "--set", "console_listen=0.0.0.0:0")

        assert ended.code == 2
        assert "tokens would cross the network" in ended.complaint
