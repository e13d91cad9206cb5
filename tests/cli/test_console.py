"""did-router console, and serve --with-console."""

import http.client
import signal
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.cli.command import ACCOUNTS, SERVE, Start, children_of, is_running, run
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


def _page(port: int, cookie: str, path: str = "/") -> str:
    """A page; the first is Health."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={"Cookie": cookie.partition(";")[0]})
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


@pytest.fixture
def mutual(tls: tuple[str, ...], authority: CertAuthority, tmp_path: Path) -> tuple[str, ...]:
    """Flags of such a service that requires client certificates, and of a console that trusts it."""
    ca = authority.write(tmp_path / "ca.pem")
    return *tls, "--set", f"tls_client_ca={ca}", "--set", f"console_ca={ca}"


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
    eventually(lambda: "worker-0" in _page(port, cookie), seconds=20)
    assert serve.end(signal.SIGTERM, 30) == 0


def test_console_with_a_client_certificate_shows_its_pages(
    start: Start, stores: tuple[str, ...], mutual: tuple[str, ...], authority: CertAuthority, tmp_path: Path
) -> None:
    certificate, client_key = authority.issue(tmp_path, "console")
    own = ("--set", f"console_client_certificate={certificate}", "--set", f"console_client_key={client_key}")
    serve = start(*SERVE, *mutual, "--with-console", *LISTEN, *own, *stores)
    port = int(serve.wait_for(r"console: http://127\.0\.0\.1:(\d+)/", 60)[1])
    key = serve.wait_for(r"console: log in with (console_\S+)", 60)[1]

    status, cookie = _log_in(port, key)

    assert status == 303
    eventually(lambda: "worker-0" in _page(port, cookie), seconds=20)
    assert f'href="/account/{ACCOUNTS[0]}"' in _page(port, cookie, "/why?number=4158867900")
    assert "in_service" in _page(port, cookie, f"/number/+14158867900?account={ACCOUNTS[0]}")


def test_console_without_a_client_certificate_names_the_settings(
    start: Start, stores: tuple[str, ...], mutual: tuple[str, ...], tmp_path: Path
) -> None:
    refused = run(*SERVE, *mutual, "--with-console", *LISTEN, *stores)
    target = start(*SERVE, *mutual, *stores).wait_for(r"listening on (\S+), admin on", 60)[1]
    beside = ("--instance", "127.0.0.1:1", "--set", f"console_ca={tmp_path / 'ca.pem'}")
    console = start("console", "--listen", "127.0.0.1:0", "--service", target, *beside)

    assert refused.code == 2
    assert "set them to the PEM files of a certificate that tls_client_ca trusts" in refused.complaint
    assert "console_client_key" in refused.complaint
    assert console.wait_for(r"if it requires a client certificate, set console_client_certificate and console_cl", 60)


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
