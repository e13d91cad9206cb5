"""The edge's directory, its files and its process."""

import json
import os
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from router.server.auth.tls_files import open_certificates
from router.server.edge.edge import Edge, open_directory
from router.server.edge.process import find_envoy
from router.settings import Settings, SettingsError
from tests.cli.command import is_running
from tests.processes import freeze, thaw
from tests.support.waiting import eventually

HOUR = timedelta(hours=1)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield Path(made)


@pytest.fixture
def settings(folder: Path) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Settings.load(None, listen=f"127.0.0.1:{port}", edge_directory=folder / "edge")


@pytest.fixture
def edge(settings: Settings) -> Iterator[Edge]:
    made = Edge(settings, find_envoy(), None, threads=1)
    yield made
    made.drain(0)
    made.close()


def test_open_directory_is_private_and_kept(folder: Path) -> None:
    made = open_directory(folder / "edge")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert open_directory(made) == made, "again after a restart"
    assert stat.S_IMODE(open_directory(None).stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("name", "message"),
    [("open", "is open to others: chown"), ("no/such", "No such file"), ("x" * 90, "is too long for Unix sockets")],
)
def test_open_directory_unusable_path_is_an_error(folder: Path, name: str, message: str) -> None:
    (folder / "open").mkdir(mode=0o755)
    with pytest.raises(SettingsError, match=f"'edge_directory': .*{message}"):
        open_directory(folder / name)


def test_directory_has_one_service(settings: Settings, edge: Edge) -> None:
    with pytest.raises(SettingsError, match="is used by another did-router"):
        Edge(settings, find_envoy(), None, threads=1)


def test_sockets_left_over_are_removed_and_never_used_again(settings: Settings) -> None:
    assert settings.edge.directory is not None
    settings.edge.directory.mkdir(mode=0o700)
    left_over = settings.edge.directory / "worker-0-7.sock"
    left_over.touch()
    made = Edge(settings, None, None, threads=1)
    assert not left_over.exists()
    assert made.new_socket("worker-0") != made.new_socket("worker-0")
    made.close()


def test_endpoints_name_the_workers(edge: Edge) -> None:
    edge.set_endpoints([Path("/b.sock"), Path("/a.sock")])
    resource = json.loads(edge.plan.endpoints.read_text())["resources"][0]
    endpoints = resource["endpoints"][0]["lb_endpoints"]
    assert [each["endpoint"]["address"]["pipe"]["path"] for each in endpoints] == ["/a.sock", "/b.sock"]


def _poll_until(edge: Edge, condition: Callable[[], bool]) -> None:
    def look() -> bool:
        edge.poll()
        return condition()

    eventually(look)


def _poll_until_live(edge: Edge) -> None:
    _poll_until(edge, lambda: not edge.problem())


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc")
def test_envoys_allocator_may_keep_caches_per_cpu(edge: Edge) -> None:
    edge.start()
    _poll_until_live(edge)
    assert b"GLIBC_TUNABLES=glibc.pthread.rseq=0" in Path(f"/proc/{edge.envoy_pid}/environ").read_bytes()


def test_envoy_is_brought_back(edge: Edge) -> None:
    assert edge.problem() == "Envoy is not serving"
    edge.start()
    _poll_until_live(edge)
    first = edge.envoy_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not is_running(first) or (edge._envoy is not None and edge._envoy.exit_code is not None))
    edge.poll()
    assert edge.problem()
    began = time.monotonic()
    _poll_until_live(edge)
    assert edge.envoy_pid != first
    assert time.monotonic() - began < 5
    assert b"envoy_server_live" in edge.metrics()


def test_frozen_envoy_is_a_problem_until_it_goes_on(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.server.edge.admin._TIMEOUT", 0.5)
    edge.start()
    _poll_until_live(edge)
    assert edge.envoy_pid is not None
    freeze(edge.envoy_pid)
    try:
        assert "does not answer" in edge.problem()
        assert f"process {edge.envoy_pid}" in edge.problem(), "which is to be killed"
    finally:
        thaw(edge.envoy_pid)
    eventually(lambda: not edge.problem())


def test_certificate_that_envoy_refuses_is_a_problem_until_it_is_replaced(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenSSL accepts a key on secp256k1, and Envoy's library does not."""
    certificate, key = tmp_path / "service.pem", tmp_path / "service.key"
    _write_self_signed(certificate, key, ec.generate_private_key(ec.SECP256K1()))
    own = settings.with_values(tls_certificate=certificate, tls_key=key)
    edge = Edge(own, find_envoy(), open_certificates(own), threads=1)
    try:
        edge.start()
        _poll_until(edge, lambda: "Envoy refuses" in caplog.text)
        assert "use an RSA key of 2,048 bits or more, an ECDSA key on P-256" in edge.problem()
        _write_self_signed(certificate, key, ed25519.Ed25519PrivateKey.generate())
        _poll_until_live(edge)
    finally:
        edge.drain(0)
        edge.close()


def test_renewed_certificate_that_envoy_refuses_is_logged_once(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = tmp_path / "service.pem", tmp_path / "service.key"
    _write_self_signed(certificate, key, ed25519.Ed25519PrivateKey.generate())
    own = settings.with_values(tls_certificate=certificate, tls_key=key)
    edge = Edge(own, find_envoy(), open_certificates(own), threads=1)
    try:
        edge.start()
        _poll_until_live(edge)
        _write_self_signed(certificate, key, ec.generate_private_key(ec.SECP256K1()))
        _poll_until(edge, lambda: "the previous ones stay in use: error=Envoy refuses" in caplog.text)
        assert not edge.problem(), "callers still get the previous one"
        for _ in range(30):
            edge.poll()
            time.sleep(0.05)
        assert caplog.text.count("the previous ones stay in use") == 1
    finally:
        edge.drain(0)
        edge.close()


def _write_self_signed(certificate: Path, key: Path, private: Any) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number(), now, now + HOUR)
    digest = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    certificate.write_bytes(made.sign(private, digest).public_bytes(pem))


def test_envoy_from_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_envoy() is None
    (tmp_path / "envoy").write_text("#!/bin/sh\n")
    (tmp_path / "envoy").chmod(0o755)
    assert find_envoy() == tmp_path / "envoy"


def test_full_disk_is_reported_and_tried_again(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    directory = edge.plan.directory
    (directory / "workers.new").mkdir()  # in the way of the file that is renamed
    edge.set_endpoints([directory / "a.sock"])
    assert "file for Envoy not written, tried again: content=workers" in caplog.text
    (directory / "workers.new").rmdir()
    edge.set_endpoints([directory / "a.sock"])
    assert "a.sock" in edge.plan.endpoints.read_text()
