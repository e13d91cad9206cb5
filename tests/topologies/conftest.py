"""A service on the module's own cluster."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB
from router.server.app import Service
from router.settings import Settings
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.redis_programs import on_each_redis
from tests.topologies import owned_numbers

pytest_generate_tests = on_each_redis


@pytest.fixture(autouse=True)
def _chosen_redis(redis_program: str) -> None:
    """Every server of these tests is the chosen one."""


@pytest.fixture
def couchdb() -> Iterator[str]:
    with EmbeddedCouchDB() as couchdb:
        owned_numbers.write(CouchServer(CouchClient(couchdb.url, timeout=5)))
        yield couchdb.url


@pytest.fixture
def service(cluster: Any, couchdb: str) -> Iterator[Service]:
    settings = Settings.load(
        couchdb_url=couchdb,
        redis_url=cluster.url,
        listen="127.0.0.1:0",
        admin_listen="127.0.0.1:0",
        http_listen="",
        follower_heartbeat=0.5,
        follower_lease_ttl=1.5,
        stale_after=1,
    )
    running = Service(settings, with_follower=True)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def stub(service: Service) -> Iterator[InboundRouterStub]:
    with grpc.insecure_channel(f"127.0.0.1:{service.transport.port}") as channel:
        yield InboundRouterStub(channel)
