"""TLS and mTLS with real certificates, replaced while calls run."""

import logging
import socket
import ssl
import threading
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest

from router.client import Client, Tls
from router.server.calls import grpcio_server
from router.server.transport import GrpcioTransport
from router.settings import SettingsError
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.integration.certificates import CertAuthority
from tests.integration.conftest import Running, StartService
from tests.integration.lookup_client import request
from tests.integration.real_stores import NUMBER, ONE, RealStores
from tests.integration.tokens import Tokens
from tests.support.waiting import eventually


@pytest.fixture
def authority() -> CertAuthority:
    return CertAuthority()


@pytest.fixture
def secured(stores: RealStores, authority: CertAuthority, tmp_path: Path, start_service: StartService) -> Running:
    """A service with TLS, by the transport that `auto` takes."""
    stores.number()
    certificate, key = authority.issue(tmp_path)
    return start_service(tls_certificate=certificate, tls_key=key)


@pytest.fixture
def mutual(stores: RealStores, authority: CertAuthority, tmp_path: Path, start_service: StartService) -> Running:
    """A service with mTLS."""
    stores.number()
    certificate, key = authority.issue(tmp_path)
    client_ca = authority.write(tmp_path / "clients.pem")
    return start_service(tls_certificate=certificate, tls_key=key, tls_client_ca=client_ca)


def _ask(channel: grpc.Channel, metadata: Any = ()) -> str:
    """The account, or the status."""
    try:
        return str(InboundRouterStub(channel).Lookup(request(NUMBER), timeout=5, metadata=metadata).account_id)
    except grpc.RpcError as problem:
        error: Any = problem
        return str(error.code().name)


def _ask_anew(authority: CertAuthority, running: Running, client: tuple[Path, Path] | None = None) -> str:
    with authority.channel(running.service.transport.port, client) as channel:
        return _ask(channel)


def test_auto_takes_grpcio_and_speaks_tls(secured: Running, authority: CertAuthority) -> None:
    assert isinstance(secured.service.transport, GrpcioTransport)
    assert _ask_anew(authority, secured) == ONE
    assert _ask(secured.caller.channel) == "UNAVAILABLE", "without TLS"
    assert _ask_anew(CertAuthority(), secured) == "UNAVAILABLE", "who trusts somebody else"


def test_client_with_tls_and_a_token_is_answered(
    stores: RealStores, authority: CertAuthority, tmp_path: Path, start_service: StartService
) -> None:
    stores.number()
    certificate, key = authority.issue(tmp_path)
    own = Tls.from_files(authority.write(tmp_path / "ca.pem"), *authority.issue(tmp_path, "switch"))
    tokens = Tokens(tmp_path / "tokens", switch="lookup")
    running = start_service(
        tls_certificate=certificate, tls_key=key, tls_client_ca=tmp_path / "ca.pem", token_file=tokens.path
    )
    target = f"127.0.0.1:{running.service.transport.port}"
    with Client(target, deadline=5, tls=own, token=tokens.plain["switch"]) as client:
        found, refused = client.lookup(NUMBER), client.with_token("didr_other").lookup(NUMBER)

    assert (found.status, refused.status) == ("OK", "UNAUTHENTICATED")
    assert refused.is_unauthorized


def test_certificate_is_replaced_without_dropping_calls(
    secured: Running, authority: CertAuthority, tmp_path: Path
) -> None:
    successor = CertAuthority()
    answers: set[str] = set()
    enough = threading.Event()

    def ask_on() -> None:
        with authority.channel(secured.service.transport.port) as channel:
            while not enough.is_set():
                answers.add(_ask(channel))

    asking = threading.Thread(target=ask_on)
    asking.start()
    eventually(lambda: answers)
    successor.issue(tmp_path)
    eventually(lambda: _ask_anew(successor, secured) == ONE)
    assert _ask_anew(authority, secured) == "UNAVAILABLE", "new connections get the new one alone"
    seen = set(answers)
    answers.clear()
    eventually(lambda: answers)
    enough.set()
    asking.join()
    assert seen | answers == {ONE}, "the old connection goes on"


def test_files_that_do_not_fit_leave_the_old_certificate(
    secured: Running, authority: CertAuthority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reported = "certificates not reloaded"
    key = (tmp_path / "service.key").read_bytes()
    (tmp_path / "service.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nnot one\n")

    def asked_and_reported() -> bool:
        assert _ask_anew(authority, secured) == ONE
        return reported in caplog.text

    eventually(asked_and_reported)
    for _ in range(20):
        assert _ask_anew(authority, secured) == ONE
    assert caplog.text.count(reported) == 1
    assert key.decode() not in caplog.text

    (tmp_path / "service.key").unlink()
    eventually(lambda: asked_and_reported() and caplog.text.count(reported) == 2)
    authority.issue(tmp_path)
    eventually(lambda: _ask_anew(authority, secured) == ONE and "certificates reloaded" in caplog.text)


def test_mtls_refuses_a_caller_without_a_certificate(mutual: Running, authority: CertAuthority, tmp_path: Path) -> None:
    stranger = CertAuthority().issue(tmp_path, "stranger")
    known = authority.issue(tmp_path, "switch")
    assert _ask_anew(authority, mutual) == "UNAVAILABLE"
    assert _ask_anew(authority, mutual, stranger) == "UNAVAILABLE"
    assert _ask_anew(authority, mutual, known) == ONE


def test_client_ca_is_replaced(mutual: Running, authority: CertAuthority, tmp_path: Path) -> None:
    successor = CertAuthority()
    old, new = authority.issue(tmp_path, "old"), successor.issue(tmp_path, "new")
    assert _ask_anew(authority, mutual, new) == "UNAVAILABLE"
    successor.write(tmp_path / "clients.pem")
    eventually(lambda: _ask_anew(authority, mutual, new) == ONE)
    assert _ask_anew(authority, mutual, old) == "UNAVAILABLE"


def test_tls_and_tokens_together(
    stores: RealStores, authority: CertAuthority, tmp_path: Path, start_service: StartService
) -> None:
    stores.number()
    tokens = Tokens(tmp_path / "tokens", switch="lookup")
    certificate, key = authority.issue(tmp_path)
    running = start_service(tls_certificate=certificate, tls_key=key, token_file=tokens.path)
    with authority.channel(running.service.transport.port) as channel:
        assert _ask(channel) == "UNAUTHENTICATED"
        assert _ask(channel, tokens.shown("switch")) == ONE


def test_admin_pages_speak_tls_where_others_reach_them(
    stores: RealStores, authority: CertAuthority, tmp_path: Path, start_service: StartService
) -> None:
    certificate, key = authority.issue(tmp_path)
    running = start_service(
        tls_certificate=certificate, tls_key=key, admin_listen="0.0.0.0:0", token_file=_any_tokens(tmp_path)
    )
    trusting = ssl.create_default_context(cadata=authority.pem.decode())
    url = f"https://127.0.0.1:{running.service.admin.port}/healthz"
    with urllib.request.urlopen(url, timeout=20, context=trusting) as answer:
        assert answer.read() == b"alive\n"


def _any_tokens(folder: Path) -> Path:
    return Tokens(folder / "tokens", prometheus="admin").path


@pytest.mark.parametrize(
    ("wrong", "reported"),
    [
        ({"transport": "native"}, "native has no TLS: set transport to edge, grpcio"),
        ({"tls_key": None}, "tls_certificate and tls_key belong together"),
        ({"tls_key": "other.key"}, "are not a PEM certificate and its key"),
        ({"tls_key": "/no/such.key"}, "'tls_key': /no/such.key: No such file"),
        ({"tls_client_ca": "other.key"}, "'tls_client_ca': .* has no PEM certificates"),
    ],
)
def test_settings_that_cannot_be_used(
    stores: RealStores,
    authority: CertAuthority,
    tmp_path: Path,
    start_service: StartService,
    wrong: dict[str, Any],
    reported: str,
) -> None:
    certificate, key = authority.issue(tmp_path)
    authority.issue(tmp_path, "other")
    given = {"transport": "auto", "tls_certificate": certificate, "tls_key": key, **wrong}
    given = {name: tmp_path / value if str(value) == "other.key" else value for name, value in given.items()}
    with pytest.raises(SettingsError, match=reported):
        start_service(**given)


def test_handshake_that_stops_half_way_is_ended(
    stores: RealStores,
    authority: CertAuthority,
    tmp_path: Path,
    start_service: StartService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = dict(grpcio_server.OPTIONS) | {"grpc.server_handshake_timeout_ms": 500}
    assert options != dict(grpcio_server.OPTIONS)
    monkeypatch.setattr(grpcio_server, "OPTIONS", tuple(options.items()))
    stores.number()
    certificate, key = authority.issue(tmp_path)
    running = start_service(tls_certificate=certificate, tls_key=key)
    with socket.create_connection(("127.0.0.1", running.service.transport.port), timeout=9) as stopped:
        stopped.sendall(b"\x16\x03\x01\x02\x00\x01")  # a record of 512 bytes, of which one comes
        assert _reported_until_closed(stopped) == b""
    assert _ask_anew(authority, running) == ONE


def _reported_until_closed(connection: socket.socket) -> bytes:
    try:
        return connection.recv(100)
    except ConnectionResetError:
        return b""
