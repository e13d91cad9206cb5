"""did-router check --offline judges settings without reaching anything; the published schema describes their files."""

import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from router.cli.settings_schema import schema, text
from tests.cli.command import NOWHERE, Ran, run_here
from tests.cli.schemas import FOLDER
from tests.integration.certificates import CertAuthority

STORES = "--couchdb-url", NOWHERE, "--redis-url", "redis://nowhere.invalid:1"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **_: object) -> Any:
        raise AssertionError(f"the network was used: {arguments}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_check_offline_sound_settings_pass() -> None:
    result = run_here("check", "--offline", *STORES)

    assert (result.code, result.err) == (0, "")
    assert "ok   settings: can be used" in result.out
    assert "CouchDB" not in result.out


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("listen", "0.0.0.0:50051", "BAD  addresses: setting 'listen': 0.0.0.0:50051 can be reached"),
        ("token_file", "/nowhere/tokens", "BAD  tokens: setting 'token_file'"),
        ("console_listen", "0.0.0.0:9060", "BAD  console: setting 'console_listen': 0.0.0.0:9060 can be reached"),
        ("console_ca", "/nowhere/ca.pem", "BAD  console: setting 'console_ca'"),
        ("console_token_file", "/nowhere/token", "BAD  console: setting 'console_token_file'"),
        ("routable_states", '["reservd"]', "BAD  routable_states: 'reservd' is no state"),
    ],
)
def test_check_offline_fault_is_reported(name: str, value: str, message: str) -> None:
    result = run_here("check", "--offline", *STORES, "--set", f"{name}={value}")

    assert result.code == 1
    assert message in result.out


def test_check_offline_missing_certificate_is_reported(tmp_path: Path) -> None:
    own = ("--set", f"tls_certificate={tmp_path / 'c.pem'}", "--set", f"tls_key={tmp_path / 'k.pem'}")
    result = run_here("check", "--offline", *STORES, *own)

    assert result.code == 1
    assert "BAD  TLS: setting 'tls_" in result.out


def _console_client(folder: Path, certificate: str, key: str) -> Ran:
    values = {"tls": "true", "client_certificate": str(folder / certificate), "client_key": str(folder / key)}
    own = [part for name, value in values.items() for part in ("--set", f"console_{name}={value}")]
    return run_here("check", "--offline", *STORES, *own)


def test_check_offline_judges_the_client_certificate_of_the_console(tmp_path: Path) -> None:
    for name in ("console", "other"):
        CertAuthority().issue(tmp_path, name)

    fitting, missing, foreign = (
        _console_client(tmp_path, "console.pem", key) for key in ("console.key", "no.key", "other.key")
    )

    assert (fitting.code, missing.code, foreign.code) == (0, 1, 1)
    assert f"BAD  console: setting 'console_client_key': {tmp_path / 'no.key'}: No such file" in missing.out
    assert "BAD  console: settings 'console_client_certificate' and 'console_client_key':" in foreign.out
    assert "other.key are not a PEM certificate and its key without a password" in foreign.out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("console_ca=ca.pem", "console_client_key=a.key"), "console_client_key belong together: give both"),
        (("console_ca=ca.pem", "console_client_certificate=a.pem"), "console_client_key belong together: give both"),
        (
            ("console_client_certificate=a.pem", "console_client_key=a.key"),
            "console_client_certificate needs console_tls or console_ca as well",
        ),
    ],
)
def test_check_offline_incomplete_client_certificate_is_refused(given: tuple[str, ...], message: str) -> None:
    result = run_here("check", "--offline", *STORES, *(part for each in given for part in ("--set", each)))

    assert result.code == 2
    assert message in result.complaint


def test_check_offline_host_name_is_not_resolved() -> None:
    result = run_here("check", "--offline", *STORES, "--set", "listen=router.example:50051")

    assert result.code == 0
    assert "not judged offline, and the transport neither: router.example:50051 is a host name" in result.out


def test_settings_schema_is_current() -> None:
    assert (FOLDER / "settings.json").read_text("utf-8") == text(), "run `make docs`"


@pytest.mark.parametrize(
    ("file", "is_valid"),
    [
        ('[couchdb]\nurl = "http://a:5984"\n[dial_plans.gb]\nregion = "GB"', True),
        ("[couchdb]\nread_timeout = -1", False),
        ('[couchdb]\nurls = "http://a:5984"', False),
        ('[server]\ntransport = "envoy"', False),
    ],
)
def test_settings_schema_judges_files(file: str, *, is_valid: bool) -> None:
    validator = Draft202012Validator(schema())

    assert not list(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema()))
    assert validator.is_valid(tomllib.loads(file)) == is_valid
