"""The main job on every form of Redis that the settings name."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import pytest

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB
from router.entries.codec import is_valid_entry
from router.follower.follower import Follower
from router.server.app import Service
from router.settings import Settings
from router.stores.clients import Stores
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.topologies import servers

FORMS = {"cluster": servers.cluster, "sentinel": servers.sentinel, "unix": servers.unix}
OWNERS = ["a" * 32, "b" * 32]
SHARDS = [f"numbers/+141{digit}" for digit in range(6)]


@pytest.fixture(params=FORMS)
def redis_form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    form: Callable[[Path], AbstractContextManager[str]] = FORMS[request.param]
    with form(tmp_path) as url:
        yield url


@pytest.fixture
def settings(redis_form: str) -> Iterator[Settings]:
    with EmbeddedCouchDB() as couchdb:
        databases = CouchServer(CouchClient(couchdb.url, timeout=5))
        for shard in SHARDS:
            databases.database(shard).create()
            databases.database(shard).put(_document(shard, OWNERS[0]))
        yield Settings.load(
            couchdb_url=couchdb.url,
            redis_url=redis_form,
            listen="127.0.0.1:0",
            admin_listen="127.0.0.1:0",
            http_listen="",
            follower_heartbeat=0.5,
        )


def test_owner_changes_show_in_every_slot(settings: Settings) -> None:
    service = Service(settings, with_follower=True)
    service.start()
    try:
        _until(lambda: service.readiness.state.name == "ready")
        with grpc.insecure_channel(f"127.0.0.1:{service.transport.port}") as channel:
            stub = InboundRouterStub(channel)
            batch = pb.LookupBatchRequest(lookups=[pb.LookupRequest(number=_number(shard)) for shard in SHARDS])

            def found() -> set[tuple[str, int]]:
                routes = [each.route for each in stub.LookupBatch(batch, timeout=5).outcomes]
                return {(route.account_id, route.source) for route in routes}

            # A machine that is very busy may have had a lookup pass Redis by.
            _until(lambda: found() <= {(OWNERS[0], pb.REDIS), (OWNERS[0], pb.NEAR_CACHE)})

            for shard in SHARDS:
                document = service.stores.databases.database(shard).get(_number(shard))
                service.stores.databases.database(shard).put({**document, "pvt_assigned_to": OWNERS[1]})
                _until(lambda shard=shard: _owner(stub, shard) == OWNERS[1])  # type: ignore[misc]
    finally:
        service.stop()


def test_garbled_values_are_mended_in_every_slot(settings: Settings) -> None:
    """No lookup asks for these numbers."""
    stores = Stores(settings)
    stores.databases.database("accounts").create()
    stores.databases.database("accounts").put({"_id": OWNERS[0], "pvt_type": "account", "name": "An account"})
    follower = Follower(settings, stores)
    follower.start()
    documents = stores.keys.documents("accounts")
    keys = [stores.keys.number(_number(shard)) for shard in SHARDS]
    try:
        _until(lambda: bool(stores.redis.hget(documents, OWNERS[0])))
        _until(lambda: all(stores.redis.get(key) for key in keys))
        written = stores.redis.hget(documents, OWNERS[0])
        stores.redis.hset(documents, OWNERS[0], b"garbled")
        for key in keys:
            stores.redis.set(key, b"garbled")
        _until(lambda: stores.redis.hget(documents, OWNERS[0]) == written)
        _until(lambda: all(is_valid_entry(stores.redis.get(key) or b"") for key in keys))
    finally:
        follower.stop()


def test_warm_up_verifies_and_audit_agrees(settings: Settings) -> None:
    stores = ["--couchdb-url", settings.couchdb.url, "--redis-url", settings.redis.url]
    command = [sys.executable, "-m", "router.cli"]

    warm = subprocess.run([*command, "warm", "--verify", *stores], capture_output=True, text=True, check=False)
    audit = subprocess.run([*command, "audit", *stores], capture_output=True, text=True, check=False)

    assert (warm.returncode, audit.returncode) == (0, 0), warm.stderr + audit.stderr
    assert "6 documents: 0 differences" in warm.stdout


def _number(shard: str) -> str:
    return f"{shard.removeprefix('numbers/')}8867900"


def _document(shard: str, owner: str) -> dict[str, str]:
    return {"_id": _number(shard), "pvt_number_state": "in_service", "pvt_assigned_to": owner}


def _owner(stub: InboundRouterStub, shard: str) -> str:
    return stub.Lookup(pb.LookupRequest(number=_number(shard)), timeout=5).account_id


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
