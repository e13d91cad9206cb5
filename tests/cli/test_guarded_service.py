"""Tokens and TLS by the command: making tokens, serving with them, showing them; no open address without them."""

from pathlib import Path

import pytest

from tests.cli.command import ACCOUNTS, NOWHERE, SERVE, Running, Start, run, run_all, serving
from tests.integration.certificates import CertAuthority
from tests.integration.tokens import Tokens

STORES = ("--couchdb-url", NOWHERE, "--redis-url", "redis://127.0.0.1:1/0")


def test_token_new_prints_token_once_and_appends_its_line(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# ours")
    made = run("token", "new", "switch-1", "--scope", "lookup", "--scope", "admin", "--append", str(file))
    token = made.out.splitlines()[0].rpartition(" ")[2]
    as_json = run("token", "new", "switch-2", "--scope", "manage", "--append", str(file), "--json").json[0]

    assert (made.code, made.err) == (0, "")
    assert token.startswith("didr_")
    lines = file.read_text().splitlines()
    assert lines[0] == "# ours"
    assert lines[1] in made.out
    assert lines[1].split()[::2] == ["switch-1", "lookup,admin"]
    assert lines[2] == as_json["line"]
    assert token not in file.read_text()
    assert as_json["token"] not in file.read_text()


def test_token_new_with_account_binds_the_token() -> None:
    account = "0123456789abcdef" * 2
    line = run("token", "new", "acme", "--scope", "manage", "--account", account, "--json").json[0]["line"]
    assert line.split()[0::2] == ["acme", "manage"]
    assert line.split()[3:] == [f"account={account}"]


def test_token_new_wrong_usage_is_explained() -> None:
    result = run_all(
        {
            "name": ["token", "new", "a b", "--scope", "lookup"],
            "scope": ["token", "new", "a", "--scope", "all"],
            "none": ["token", "new", "a"],
            "account": ["token", "new", "a", "--scope", "manage", "--account", "acme"],
            "unmanaged": ["token", "new", "a", "--scope", "lookup", "--account", "a" * 32],
            "unbounded": ["token", "new", "a", "--scope", "manage", "--scope", "system", "--account", "a" * 32],
        }
    )
    assert {each.code for each in result.values()} == {2}
    assert "a token's name is" in result["name"].complaint
    assert "'lookup', 'manage', 'admin', 'system'" in result["scope"].complaint
    assert "32 characters" in result["account"].complaint
    assert "add the scope manage" in result["unmanaged"].complaint
    assert "can't have the scope system" in result["unbounded"].complaint
    assert "--scope" in result["none"].complaint


@pytest.mark.parametrize("where", [("--listen", "0.0.0.0:0"), ("--listen", "[::]:0"), ("--admin", "0.0.0.0:0")])
def test_serve_open_address_without_tls_or_tokens_is_refused(where: tuple[str, str]) -> None:
    result = run("serve", *where, *STORES)

    assert result.code == 2
    assert "can be reached from other machines" in result.complaint
    assert "--insecure" in result.complaint


def test_serve_insecure_listens_on_an_open_address(start: Start, stores: tuple[str, ...]) -> None:
    serve = ("serve", "--workers", "1", "--listen", "0.0.0.0:0", "--admin", "0.0.0.0:0", "--http", "", "--insecure")
    running = serving(start(*serve, *stores))

    assert running.target.startswith("0.0.0.0:")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("token_file=/no/such/file", "'token_file': /no/such/file: No such file"),
        ("tls_certificate=/no/such/file", "belong together"),
        ("redis_password_file=/no/such/file", "'redis_password_file': /no/such/file: No such file"),
    ],
)
def test_serve_unusable_settings_exit_before_workers_start(wrong: str, expected: str) -> None:
    result = run("serve", "--set", wrong, *STORES)

    assert result.code == 2
    assert expected in result.complaint


@pytest.fixture
def authority() -> CertAuthority:
    return CertAuthority()


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    """Tokens by scope; their lines are in tokens.txt, and each in a file of its own."""
    made = Tokens(tmp_path / "tokens.txt", lookup="lookup", manage="manage", admin="admin").plain
    for scope, token in made.items():
        (tmp_path / f"{scope}.token").write_text(f"{token}\n")
    return made


@pytest.fixture
def guarded(
    tmp_path: Path, authority: CertAuthority, tokens: dict[str, str], start: Start, stores: tuple[str, ...]
) -> Running:
    """A service with mTLS and tokens, on every address; two workers."""
    certificate, key = authority.issue(tmp_path)
    files = {
        "tls_certificate": certificate,
        "tls_key": key,
        "tls_client_ca": authority.write(tmp_path / "ca.pem"),
        "token_file": tmp_path / "tokens.txt",
    }
    more = [part for name, path in files.items() for part in ("--set", f"{name}={path}")]
    return serving(start(*SERVE, "--listen", "0.0.0.0:0", "--workers", "2", *more, *stores))


def test_lookup_guarded_service_requires_token_and_tls(
    guarded: Running, tmp_path: Path, authority: CertAuthority, tokens: dict[str, str]
) -> None:
    certificate, key = authority.issue(tmp_path, "switch")
    target = ("--target", f"127.0.0.1:{guarded.target.rpartition(':')[2]}")
    tls = ("--tls-ca", str(tmp_path / "ca.pem"))
    mutual = (*tls, "--tls-certificate", str(certificate), "--tls-key", str(key))
    other_certificate, other_key = CertAuthority().issue(tmp_path, "foreign")
    foreign = ("--tls-certificate", str(other_certificate), "--tls-key", str(other_key))
    shown = ("--token-file", str(tmp_path / "lookup.token"))
    other = ("--token-file", str(tmp_path / "manage.token"))
    result = run_all(
        {
            "lookup": ["lookup", *target, *mutual, *shown, "4158867900"],
            "explain": ["explain", *target, *mutual, *shown, "4158867900"],
            "no token": ["lookup", *target, *mutual, "4158867900"],
            "no token to explain": ["explain", *target, *mutual, "4158867900"],
            "another scope": ["lookup", *target, *mutual, *other, "4158867900"],
            "no certificate": ["lookup", *target, *tls, *shown, "4158867900"],
            "no certificate to explain": ["explain", *target, *tls, *shown, "4158867900"],
            "another's certificate": ["lookup", *target, *tls, *foreign, *shown, "4158867900"],
            "no TLS": ["lookup", *target, *shown, "4158867900"],
            "HTTP": ["lookup", "--via", "http", *target, *mutual, *shown, "4158867900"],
            "HTTP, no certificate": ["lookup", "--via", "http", *target, *tls, *shown, "4158867900"],
            "HTTP, no PEM": ["lookup", "--via", "http", *target, "--tls-ca", str(key), "1"],
            "half a certificate": ["lookup", *target, *tls, "--tls-key", str(key), "1"],
            "no such token": ["lookup", *target, *tls, "--token-file", str(tmp_path / "none"), "1"],
            "no token inside": ["lookup", *target, *tls, "--token-file", str(tmp_path / "tokens.txt"), "1"],
        }
    )
    by_environment = run("lookup", *target, *mutual, "4158867900", DID_ROUTER_TOKEN=tokens["lookup"])

    assert ACCOUNTS[0] in result["lookup"].out
    assert ACCOUNTS[0] in by_environment.out
    assert result["explain"].code == 0
    assert ACCOUNTS[0] in result["HTTP"].out
    assert result["HTTP, no certificate"].code == 3
    assert (
        "it requires a client certificate: --tls-certificate and --tls-key" in result["HTTP, no certificate"].complaint
    )
    assert f"--tls-ca {key} has no PEM certificates" in result["HTTP, no PEM"].complaint
    for name in ("no token", "no token to explain"):
        assert result[name].code == 2
        assert "refuses the call: a token is wanted here" in result[name].complaint
        assert "--token-file or DID_ROUTER_TOKEN" in result[name].complaint
    assert result["another scope"].code == 2
    assert "--scope lookup" in result["another scope"].complaint
    assert (result["no certificate"].code, result["no TLS"].code) == (3, 3)
    for name in ("no certificate", "no certificate to explain"):
        assert "it requires a client certificate: --tls-certificate and --tls-key" in result[name].complaint
    assert "client certificate" not in result["no TLS"].complaint
    assert result["another's certificate"].code == 3
    assert "or does not trust ours" in result["another's certificate"].complaint
    assert "--tls-ca" in result["no TLS"].err
    assert (result["half a certificate"].code, result["no such token"].code, result["no token inside"].code) == (
        2,
        2,
        2,
    )
    assert not any(token in each.out + each.err for token in tokens.values() for each in result.values())


def test_admin_pages_guarded_service_require_a_token(guarded: Running, tokens: dict[str, str]) -> None:
    assert guarded.status("/state") == guarded.status("/metrics", "guess") == 401
    assert guarded.status("/metrics", tokens["lookup"]) == 403
    metrics = guarded.page("/metrics", tokens["admin"])
    assert 'worker="worker-0"' in metrics
    assert 'worker="worker-1"' in metrics
    assert '"worker-1"' in guarded.page("/state", tokens["admin"])
    assert guarded.page("/readyz") == "worker-0: warming\nworker-1: warming\n"
