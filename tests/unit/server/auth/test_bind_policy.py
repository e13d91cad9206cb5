"""Addresses on which the service may listen without authentication."""

from pathlib import Path
from typing import Any

import pytest

from router.runtime.addresses import is_loopback
from router.server.auth.bind_policy import check_bind_policy
from router.settings import Settings, SettingsError

TLS = {"tls_certificate": Path("a"), "tls_key": Path("b")}
OUTSIDE = "0.0.0.0:50051"


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("::1:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("[fe80::1%lo]:1", False),
        ("no-such-host.invalid:1", False),
        ("unix:/run/did-router/worker-0.sock", False),
    ],
)
def test_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"listen": OUTSIDE, **TLS},
        {"listen": OUTSIDE, "token_file": Path("t")},
        {"admin_listen": OUTSIDE, "token_file": Path("t")},
        {"listen": OUTSIDE, "admin_listen": OUTSIDE, "insecure": True},
    ],
)
def test_may_listen(given: dict[str, Any]) -> None:
    check_bind_policy(Settings.load(None, **given))


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({"listen": OUTSIDE}, "'listen': 0.0.0.0:50051 can be reached from other machines"),
        ({"listen": "[::]:50051"}, "'listen'"),
        ({"admin_listen": OUTSIDE}, "'admin_listen'"),
        ({"admin_listen": OUTSIDE, **TLS}, "'admin_listen'"),
    ],
)
def test_may_not_listen(given: dict[str, Any], reported: str) -> None:
    with pytest.raises(SettingsError) as problem:
        check_bind_policy(Settings.load(None, **given))
    assert reported in str(problem.value)
    assert "--insecure" in str(problem.value)
