"""Stores of each test's own: CouchDB, Redis, and services and followers that end with it."""

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from router.follower.follower import Follower
from router.server.app import Service
from router.server.calls import native
from router.settings import Settings
from router.stores.clients import Stores
from tests.integration.lookup_client import LookupClient
from tests.integration.manager_stores import Manager, family
from tests.integration.real_stores import RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DID_ROUTER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def couchdb() -> Iterator[EmbeddedCouchDB]:
    """A CouchDB that the test may stop."""
    server = EmbeddedCouchDB().start()
    yield server
    threading.Thread(target=server.close).start()


@pytest.fixture
def stores(couchdb: EmbeddedCouchDB, redis_url: str) -> Iterator[RealStores]:
    made = RealStores(couchdb, redis_url)
    yield made
    made.close()


@pytest.fixture
def own_redis(couchdb: EmbeddedCouchDB) -> Iterator[EmbeddedRedis]:
    """A Redis on a port that it keeps, started; the test may stop it."""
    with EmbeddedRedis() as first:
        port = first.port
    with EmbeddedRedis(port) as server:
        yield server


@pytest.fixture
def manager(stores: RealStores) -> Manager:
    """A number manager in a family of accounts."""
    family(stores)
    return Manager(stores)


@pytest.fixture
def relay(stores: RealStores) -> Iterator[Relay]:
    """Between what these stores start and their CouchDB; counts requests, and holds them back when told to."""
    with Relay(stores.couchdb_url) as made:
        stores.couchdb_url = made.url
        yield made


class Running:
    """A running service and somebody who asks it."""

    def __init__(self, settings: Settings, *, with_follower: bool) -> None:
        self.service = Service(settings, with_follower=with_follower)
        self.service.start()
        self.caller = LookupClient(self.service.transport.port)

    def page(self, path: str, token: str = "") -> tuple[int, bytes]:
        """A page of the admin address."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.service.admin.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as refused:
            return int(refused.code), refused.read()

    @property
    def state(self) -> dict[str, Any]:
        """The content of /state."""
        result: dict[str, Any] = orjson.loads(self.page("/state")[1])
        return result

    def wait_serving(self) -> None:
        """Until calls get answers."""
        eventually(lambda: self.service.readiness.state.serving)

    def wait_ready(self) -> None:
        """Until both stores answer and the follower has everything."""
        eventually(lambda: self.service.readiness.state.name == "ready")

    def stop(self) -> None:
        """End it."""
        self.caller.close()
        self.service.stop()


StartService = Callable[..., Running]

BOTH_TRANSPORTS = pytest.mark.parametrize("transport", ["grpcio", "native"], indirect=True)
"""Marks a module whose tests run on either transport."""


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> str:
    """The transport of Lookup calls."""
    wanted = str(getattr(request, "param", "auto"))
    if wanted == "native" and not native.is_installed():
        pytest.skip("pip install 'did-router[native]'")
    return wanted


@pytest.fixture
def start_service(stores: RealStores, transport: str) -> Iterator[StartService]:
    """Starts services on free ports."""
    running: list[Running] = []

    def start(*, with_follower: bool = False, **settings: Any) -> Running:
        settings = {"transport": transport, **settings}
        running.append(Running(stores.settings(**settings), with_follower=with_follower))
        return running[-1]

    yield start
    for each in running:
        each.stop()


StartFollower = Callable[..., Follower]


@pytest.fixture
def start_follower(stores: RealStores) -> Iterator[StartFollower]:
    """Starts followers in this process."""
    running: list[Follower] = []

    def start(**settings: Any) -> Follower:
        wanted = stores.settings(**settings)
        made = Follower(wanted, Stores(wanted))
        made.start()
        running.append(made)
        return made

    yield start
    for each in running:
        each.stop()
