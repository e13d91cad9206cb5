"""Envoy's listener before strangers and with certificates; no worker is needed to see it."""

import logging
import shlex
import shutil
import socket
import ssl
import subprocess
import warnings
from pathlib import Path

import grpc
import pytest

from tests.abuse import wire
from tests.abuse.wire import Connection
from tests.component.edge.running_edge import RunningEdge, Start, refused
from tests.integration.certificates import CertAuthority
from tests.support.waiting import eventually


def test_strangers_are_bounded_by_the_settings(start: Start) -> None:
    port = start(max_connections=3, max_concurrent_streams=5, idle_timeout=1.0).port
    first = [Connection(port).greet() for _ in range(3)]
    eventually(lambda: all(each.most_streams == 5 for each in first))
    fourth = Connection(port)
    assert fourth.closed.wait(5), "one more than may be open"
    assert all(each.closed.wait(5) for each in first), "idle for longer than they may be"


def test_new_connections_have_a_rate(start: Start) -> None:
    running = start(max_connection_rate=10)
    many = [Connection(running.port).greet() for _ in range(30)]
    refused = "envoy_listener_local_ratelimit_connections_rate_limited"
    eventually(lambda: any(line.startswith(refused) and not line.endswith(" 0") for line in _figures(running)))
    assert 10 <= sum(not each.closed.wait(0.1) for each in many) <= 20


def test_threads_have_equally_many_connections(start: Start) -> None:
    running = start(threads=2)
    figure = "envoy_listener_worker_downstream_cx_active"
    many = [Connection(running.port).greet() for _ in range(8)]
    threads = {f'{figure}{{envoy_worker_id="{each}",envoy_listener_address="calls"}} 4' for each in range(2)}
    eventually(lambda: threads <= set(_figures(running)))
    assert not any(each.closed.is_set() for each in many)


def _figures(running: RunningEdge) -> list[str]:
    return running.edge.metrics().decode().splitlines()


def test_request_without_an_end_is_ended(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.server.edge.listener._HEADERS_TIMEOUT", 0.3)
    port = start().port
    headers = wire.frame(wire.HEADERS, 0, 1, wire.call_headers(wire.LOOKUP)[:40])
    with Connection(port) as stranger:
        stranger.greet().send(headers)
        eventually(lambda: stranger.closed.is_set() or 1 in stranger.ended, 5)


@pytest.fixture
def authority() -> CertAuthority:
    return CertAuthority()


def test_old_versions_of_tls_are_refused(start: Start, authority: CertAuthority, tmp_path: Path) -> None:
    certificate, key = authority.issue(tmp_path)
    port = start(tls_certificate=certificate, tls_key=key).port
    for version, taken in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        context = ssl.create_default_context(cadata=authority.pem.decode())
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the old version, which is to be refused
            context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", port)) as plain:
            try:
                context.wrap_socket(plain, server_hostname="localhost").close()
            except ssl.SSLError:
                assert not taken
            else:
                assert taken


def test_certificates_are_read_again(
    start: Start, authority: CertAuthority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    certificate, key = authority.issue(tmp_path)
    running = start(tls_certificate=certificate, tls_key=key)
    with authority.channel(running.port) as old:
        grpc.channel_ready_future(old).result(5)

        _, other_key = CertAuthority().issue(tmp_path, "other")
        key.write_bytes(other_key.read_bytes())  # a good key, of another certificate
        eventually(lambda: "certificates not reloaded" in caplog.text)
        assert running.lets_in(authority)
        assert caplog.text.count("certificates not reloaded") == 1, "told once"

        successor = CertAuthority()
        successor.issue(tmp_path)
        eventually(lambda: running.lets_in(successor))
        assert not running.lets_in(authority)
        assert "no healthy upstream" in refused(old).details(), "the old connection goes on"


def test_self_signed_certificate_of_the_docs_is_served(start: Start, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    page = (Path(__file__).parents[3] / "docs" / "edge.md").read_text()
    command = page[page.index("openssl req") : page.index("$ did-router serve --listen")]
    subprocess.run(shlex.split(command.replace("\\\n", " ")), cwd=tmp_path, check=True, capture_output=True, timeout=30)
    certificate = tmp_path / "service.pem"
    port = start(tls_certificate=certificate, tls_key=tmp_path / "service.key").port

    credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
    options = [("grpc.ssl_target_name_override", "router.example")]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        assert "no healthy upstream" in refused(channel).details()


def test_client_certificates(start: Start, authority: CertAuthority, tmp_path: Path) -> None:
    certificate, key = authority.issue(tmp_path)
    client_ca = authority.write(tmp_path / "clients.pem")
    running = start(tls_certificate=certificate, tls_key=key, tls_client_ca=client_ca)
    successor = CertAuthority()
    known, other = authority.issue(tmp_path, "known"), successor.issue(tmp_path, "other")
    assert [running.lets_in(authority, each) for each in (known, other, None)] == [True, False, False]
    successor.write(client_ca)
    eventually(lambda: running.lets_in(authority, other))
    assert not running.lets_in(authority, known)


def test_idle_callers_are_asked_to_leave(start: Start) -> None:
    running = start()
    with Connection(running.port) as idle:
        idle.greet()
        eventually(lambda: idle.most_streams)
        running.stop_looking_after()
        running.edge.drain(5)
        assert idle.frames[wire.GOAWAY]
        assert idle.closed.wait(1)
