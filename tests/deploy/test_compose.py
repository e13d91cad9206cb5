"""compose.yaml, by what Compose requires and by the service's own settings; `docker compose config` where it is."""

import shutil
from typing import Any

import pytest
import yaml

from router.settings import NAMES, Settings
from tests.deploy.tools import ROOT, run

KILL_MARGIN = 5
"""Seconds beyond the grace period after which the supervisor kills a worker."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return found


def test_compose_accepts_the_file() -> None:
    if shutil.which("docker") is None or run("docker", "compose", "version").returncode:
        pytest.skip("docker compose is not installed")
    done = run("docker", "compose", "--profile", "monitoring", "config", "--quiet")

    assert done.returncode == 0, done.stderr


def test_every_part_is_there(services: dict[str, Any]) -> None:
    assert {
        "couchdb",
        "couchdb-setup",
        "redis",
        "router",
        "follower",
        "console",
        "prometheus",
        "grafana",
    } <= services.keys()


def test_dependencies_and_mounted_files_exist(services: dict[str, Any]) -> None:
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
        for mount in service.get("volumes", ()):
            if mount.startswith("./"):
                assert (ROOT / mount.split(":")[0]).exists(), mount


def test_router_is_confined_and_drains(services: dict[str, Any]) -> None:
    server = Settings.load().server
    for name in ("router", "follower"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["tmpfs"] == ["/tmp"]
    grace = float(services["router"]["stop_grace_period"].removesuffix("s"))

    assert grace > server.drain_delay + server.shutdown_grace_period + KILL_MARGIN


def test_environment_names_settings(services: dict[str, Any]) -> None:
    variables = {name for service in services.values() for name in service.get("environment", {})}
    ours = {name for name in variables if name.startswith("DID_ROUTER_")}

    assert ours
    assert {name.removeprefix("DID_ROUTER_").lower() for name in ours} <= set(NAMES)
