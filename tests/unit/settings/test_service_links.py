"""Kubernetes' own variables for a Service called did-router end no start; a mistyped setting still does."""

import os

import pytest

from router.settings import NAMES, Settings, SettingsError
from router.settings.service_links import is_service_link

LINKS = {
    "DID_ROUTER_SERVICE_HOST": "10.0.0.11",
    "DID_ROUTER_SERVICE_PORT": "50051",
    "DID_ROUTER_SERVICE_PORT_GRPC": "50051",
    "DID_ROUTER_SERVICE_PORT_GRPC_TLS": "50052",
    "DID_ROUTER_PORT": "tcp://10.0.0.11:50051",
    "DID_ROUTER_PORT_50051_TCP": "tcp://10.0.0.11:50051",
    "DID_ROUTER_PORT_50051_TCP_PROTO": "tcp",
    "DID_ROUTER_PORT_50051_TCP_PORT": "50051",
    "DID_ROUTER_PORT_50051_TCP_ADDR": "10.0.0.11",
    "DID_ROUTER_ADMIN_SERVICE_HOST": "10.0.0.12",
    "DID_ROUTER_ADMIN_PORT": "tcp://10.0.0.12:9050",
    "DID_ROUTER_ADMIN_PORT_9050_UDP": "udp://10.0.0.12:9050",
}
"""Of the Services did-router and did-router-admin."""


@pytest.fixture(autouse=True)
def _in_kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DID_ROUTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")


def test_service_links_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)

    assert Settings.load().server.listen == "127.0.0.1:50051"


@pytest.mark.parametrize("name", LINKS)
def test_outside_of_kubernetes_they_are_unknown_settings(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    monkeypatch.setenv(name, LINKS[name])

    with pytest.raises(SettingsError, match=f"unknown setting in the environment: {name}"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DID_ROUTER_PORT", "50051"),
        ("DID_ROUTER_LISTEN_PORT", "50051"),
        ("DID_ROUTER_SERVICE", "10.0.0.11"),
        ("DID_ROUTER_PORT_GRPC", "50051"),
        ("DID_ROUTER_REDIS_ULR", "redis://127.0.0.1:6379/0"),
    ],
)
def test_other_unknown_names_still_end_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"unknown setting in the environment: {name}"):
        Settings.load()


def test_setting_in_the_environment_counts_beside_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DID_ROUTER_LISTEN", "127.0.0.1:1234")

    assert Settings.load().server.listen == "127.0.0.1:1234"


def test_no_setting_looks_like_a_service_link() -> None:
    names = [f"DID_ROUTER_{name.upper()}" for name in NAMES]
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", **dict.fromkeys(names, "tcp://10.0.0.1:1")}

    assert [name for name in names if is_service_link(name, environment)] == []
