"""Envoy run by somebody else, with what `did-router edge-config` prints."""

import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from router.server.edge.process import find_envoy
from tests.cli.command import run_here
from tests.edge.callers import Callers
from tests.edge.deployment import PATIENT, Instance, Stores, launch


@pytest.fixture
def directory() -> Iterator[Path]:
    """Its path is short enough for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield Path(made) / "edge"


def test_edge_config_missing_setting_is_reported(directory: Path) -> None:
    assert "'edge_directory': say where" in run_here("edge-config").complaint
    outcome = run_here("edge-config", "--listen", "0.0.0.0:0", "--set", f"edge_directory={directory}")
    assert (outcome.code, "give an IP address and a port" in outcome.complaint) == (2, True)


def test_workers_come_and_go_behind_it(shared: Stores, directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        target = f"127.0.0.1:{free.getsockname()[1]}"
    settings = ("--listen", target, "--set", f"edge_directory={directory}")
    printed = run_here("edge-config", *settings)
    assert printed.code == 0
    external = (*PATIENT, "--set", f"edge_directory={directory}", "--set", "edge_external=true")
    service = launch(shared, *external, tls=False, listen=target, workers=1)
    (directory / "own.yaml").write_text(printed.out)
    envoy = subprocess.Popen(
        [str(find_envoy()), "-c", str(directory / "own.yaml"), "--disable-hot-restart", "-l", "error"]
    )
    try:
        _replace_worker(service)
    finally:
        service.end()
        envoy.kill()
        envoy.wait()


def _replace_worker(service: Instance) -> None:
    with service.channel() as channel:
        grpc.channel_ready_future(channel).result(10)
    assert service.envoy == 0, "it is not the supervisor's"
    with Callers([service.channel], 1) as callers:
        old = service.workers
        service.running.process.send(signal.SIGHUP)
        service.running.process.wait_for("all children are replaced", 60)
        callers.wait_for(50)
    assert not callers.lost
    assert service.workers != old
    assert "envoy_server_live{} 1" in service.running.page("/metrics")
