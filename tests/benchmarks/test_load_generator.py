"""The load generator's connections: with and without TLS, and what it sends with each call. Nothing is measured."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from benchmarks import generator
from benchmarks.credentials import PLAIN, Access, Credentials
from benchmarks.directory import frame
from benchmarks.generator import Answers, LoadError, Shape
from router.v1 import inbound_pb2 as pb
from router.v1 import inbound_pb2_grpc as rpc

NUMBER = "+14158867900"


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    if (reason := generator.missing()) is not None:
        pytest.skip(reason)
    generator.build()


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials.make(tmp_path / "credentials")


class Router(rpc.InboundRouterServicer):
    """Answers with what it was asked for, and keeps what came with the calls."""

    def __init__(self) -> None:
        self.tokens: set[str | bytes | None] = set()

    def Lookup(  # noqa: N802 - gRPC's name
        self, request: pb.LookupRequest, context: grpc.ServicerContext
    ) -> pb.LookupResponse:
        self.tokens.add(dict(context.invocation_metadata()).get("authorization"))
        return pb.LookupResponse(number=request.number)


@contextmanager
def serving(credentials: Credentials | None) -> Iterator[tuple[Router, int]]:
    """A server with TLS, or without."""
    router = Router()  # type: ignore[abstract] # the other calls are not made
    server = grpc.server(ThreadPoolExecutor(4))
    rpc.add_InboundRouterServicer_to_server(router, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = (credentials.key.read_bytes(), credentials.certificate.read_bytes())
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        yield router, port
    finally:
        server.stop(None)


def drive(folder: Path, port: int, access: Access) -> Answers:
    """A moment of calls over two connections."""
    requests = folder / "requests"
    requests.write_bytes(frame(pb.LookupRequest(number=NUMBER).SerializeToString()))
    shape = Shape(2, 4, seconds=0.2, warm=0.1, access=access)
    return generator.drive(port, requests, shape, lambda: None, lambda: None)


def test_calls_without_tls_carry_no_token(tmp_path: Path) -> None:
    with serving(None) as (router, port):
        seen = drive(tmp_path, port, PLAIN)

    assert (set(seen.statuses), seen.lost, router.tokens) == ({0}, 0, {None})


def test_calls_with_tls_carry_the_token(tmp_path: Path, credentials: Credentials) -> None:
    with serving(credentials) as (router, port):
        seen = drive(tmp_path, port, credentials.access(tls=True, tokens=True))

    assert (set(seen.statuses), seen.lost) == ({0}, 0)
    assert router.tokens == {f"Bearer {credentials.token}"}


def test_certificate_of_another_authority_is_refused(tmp_path: Path, credentials: Credentials) -> None:
    other = Credentials.make(tmp_path / "other")
    with serving(credentials) as (_, port), pytest.raises(LoadError, match="can't connect"):
        drive(tmp_path, port, other.access(tls=True, tokens=False))


def test_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with serving(None) as (_, port), pytest.raises(LoadError, match="--authority-file"):
        drive(tmp_path, port, Access(tmp_path / "absent.pem"))
