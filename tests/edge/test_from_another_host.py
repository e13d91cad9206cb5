"""A lookup from a network namespace of its own: another host, for the service."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.command import ACCOUNTS, COMMAND, environment
from tests.edge.deployment import Instance, Stores, launch

_SUBNET = f"10.213.{os.getpid() % 256}"
"""Runs of the tests at the same time must not share it."""
SERVICE, CALLER = f"{_SUBNET}.1", f"{_SUBNET}.2"


@dataclass(frozen=True)
class OtherHost:
    """A network namespace with a cable to this one."""

    namespace: str

    def lookup(self, port: int, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run `did-router lookup` there."""
        command = ["ip", "netns", "exec", self.namespace, COMMAND, "lookup", "--target", f"{SERVICE}:{port}", *options]
        return subprocess.run(
            [*command, "4158867900"], capture_output=True, text=True, timeout=60, check=False, env=environment()
        )


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("iproute2 is not installed")
    except subprocess.CalledProcessError as problem:
        pytest.skip(f"no network namespace can be made here: ip {' '.join(arguments)}: {problem.stderr.strip()}")


@pytest.fixture(scope="module")
def other_host() -> Iterator[OtherHost]:
    name = f"didr{os.getpid()}"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", f"{name}s", "type", "veth", "peer", "name", f"{name}c", "netns", name)
        _ip("address", "add", f"{SERVICE}/30", "dev", f"{name}s")
        _ip("link", "set", f"{name}s", "up")
        _ip("-n", name, "address", "add", f"{CALLER}/30", "dev", f"{name}c")
        _ip("-n", name, "link", "set", f"{name}c", "up")
        yield OtherHost(name)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture(scope="module")
def listening_to_others(
    other_host: OtherHost, shared: Stores, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    del other_host  # before the service: no service is needed where the test is skipped
    files = shared.authority.issue(tmp_path_factory.mktemp("certificate"), hosts=[SERVICE])
    settings = [f"tls_certificate={files[0]}", f"tls_key={files[1]}"]
    options = ["--transport", "auto", *(word for each in settings for word in ("--set", each))]
    made = launch(shared, *options, listen="0.0.0.0:0", tls=False, workers=1)
    try:
        yield made
    finally:
        made.end()


def test_tls_reaches_the_edge_from_another_host(
    other_host: OtherHost, listening_to_others: Instance, shared: Stores, tmp_path: Path
) -> None:
    authority = shared.authority.write(tmp_path / "authority.pem")
    done = other_host.lookup(listening_to_others.port, "--tls-ca", str(authority))

    assert done.returncode == 0, done.stderr
    assert ACCOUNTS[0] in done.stdout
    assert listening_to_others.envoy, "Envoy listens by itself where others can reach the service"


def test_plaintext_call_from_another_host_is_not_answered(other_host: OtherHost, listening_to_others: Instance) -> None:
    done = other_host.lookup(listening_to_others.port)

    assert done.returncode != 0
    assert ACCOUNTS[0] not in done.stdout
