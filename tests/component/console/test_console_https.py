"""The console over HTTPS, and the authorities that it trusts for its services."""

import http.client
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest

from router.client import Tls
from router.console.certificate import trust_services
from router.console.server import ConsoleServer
from router.settings import Settings, SettingsError
from tests.component.console.conftest import NOWHERE, StartConsole, Visitor
from tests.integration.certificates import CertAuthority
from tests.support.waiting import eventually

EVERYWHERE = "0.0.0.0:0"


@pytest.fixture
def authority() -> CertAuthority:
    return CertAuthority()


@pytest.fixture
def secured(start_console: StartConsole, authority: CertAuthority, tmp_path: Path) -> Visitor:
    """A console that other machines reach."""
    certificate, key = authority.issue(tmp_path)
    return start_console(console_listen=EVERYWHERE, tls_certificate=certificate, tls_key=key)


def connect(visitor: Visitor, authority: CertAuthority) -> http.client.HTTPSConnection:
    """Connect, and shake hands."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    port = int(visitor.server.address.rpartition(":")[2])
    connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=context)
    connection.connect()
    return connection


def is_trusted(visitor: Visitor, authority: CertAuthority) -> bool:
    """Return whether a new connection gets a certificate of this authority."""
    try:
        connect(visitor, authority).close()
    except ssl.SSLCertVerificationError:
        return False
    return True


def test_https_serves_pages_and_promises_to_stay_https(secured: Visitor, authority: CertAuthority) -> None:
    assert secured.server.url.startswith("https://")
    connection = connect(secured, authority)
    connection.request("GET", "/login")
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()

    assert (response.status, response.getheader("Strict-Transport-Security")) == (200, "max-age=31536000")
    assert 'name="token"' in text


def test_https_login_sets_a_secure_cookie_for_its_own_origin(
    secured: Visitor, authority: CertAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = secured.server.console
    monkeypatch.setattr(console, "is_open", lambda: True)
    origin = f"https://localhost:{secured.server.address.rpartition(':')[2]}"
    connection = connect(secured, authority)
    headers = {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login", urlencode({"token": console.key}), headers)
    response = connection.getresponse()
    connection.close()

    cookie = response.getheader("Set-Cookie") or ""
    assert (response.status, response.getheader("Location")) == (303, "/")
    assert cookie.startswith("__Host-did-router-console=")
    assert {"Secure", "HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))


def test_https_port_speaks_no_plain_http(secured: Visitor) -> None:
    port = int(secured.server.address.rpartition(":")[2])
    connection = http.client.HTTPConnection("localhost", port, timeout=20)
    connection.request("GET", "/login")

    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()


def test_https_renewed_certificate_is_served_to_new_connections(
    secured: Visitor, authority: CertAuthority, tmp_path: Path
) -> None:
    assert is_trusted(secured, authority)
    old = connect(secured, authority)
    successor = CertAuthority()
    successor.issue(tmp_path)

    eventually(lambda: is_trusted(secured, successor))
    assert not is_trusted(secured, authority)
    old.request("GET", "/login")
    assert old.getresponse().status == 200
    old.close()


def test_https_key_of_another_certificate_leaves_the_old_in_use(
    secured: Visitor, authority: CertAuthority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, other_key = authority.issue(tmp_path, "other")
    other_key.replace(tmp_path / "service.key")

    def is_logged() -> bool:
        return is_trusted(secured, authority) and "certificate not reloaded" in caplog.text

    eventually(is_logged)
    assert is_trusted(secured, authority)


@pytest.mark.parametrize("content", ["", "no certificate"])
def test_https_files_that_are_none_are_named_at_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "service.pem"
    path.write_text(content)
    settings = Settings.load(None, console_listen=EVERYWHERE, tls_certificate=path, tls_key=path)

    with pytest.raises(SettingsError, match=r"service\.pem"):
        ConsoleServer(settings)


def test_loopback_console_with_certificates_stays_plain(
    start_console: StartConsole, authority: CertAuthority, tmp_path: Path
) -> None:
    certificate, key = authority.issue(tmp_path)

    assert start_console(tls_certificate=certificate, tls_key=key).server.url.startswith("http://127.0.0.1:")


def test_private_authority_with_foreign_letters_is_read(authority: CertAuthority, tmp_path: Path) -> None:
    path = authority.write(tmp_path / "ca.pem")

    assert trust_services(path).cert_store_stats()["x509_ca"] == 1
    assert Tls.from_files(path).ca == path.read_bytes()


@pytest.mark.parametrize("write", [lambda path: path.write_text("none"), lambda path: None], ids=["text", "missing"])
def test_authority_file_without_certificates_is_named(tmp_path: Path, write: Callable[[Path], object]) -> None:
    path = tmp_path / "ca.pem"
    write(path)
    settings = Settings.load(None, console_listen="127.0.0.1:0", console_services=(NOWHERE,), console_ca=path)

    with pytest.raises(SettingsError, match="console_ca"):
        ConsoleServer(settings)
