"""Fixtures of the contract, which holds on the embedded database and on a real CouchDB."""

import random
import time
from collections.abc import Callable, Iterator

import pytest

from router.embedded import EmbeddedCluster, EmbeddedCouchDB
from tests.contract.exchange import Couch, Database
from tests.contract.topology import Topology, split_url


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes a topology on a single node and on a cluster: the embedded ones, or the real one that is given."""
    if "topology" not in metafunc.fixturenames:
        return
    given = metafunc.config.getoption("--couchdb-url")
    kinds = ["cluster" if "," in given else "single"] if given else ["single", "cluster"]
    if "cluster" in metafunc.fixturenames:
        kinds = [kind for kind in kinds if kind == "cluster"]
    metafunc.parametrize("topology", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def topology(request: pytest.FixtureRequest) -> Iterator[Topology]:
    given = request.config.getoption("--couchdb-url")
    if given:
        yield Topology(split_url(given), real=True)
    elif request.param == "single":
        yield Topology((request.getfixturevalue("couchdb_server"),), real=False)
    else:
        with EmbeddedCluster() as cluster:
            yield Topology(tuple(cluster.urls), real=False)


@pytest.fixture
def cluster(topology: Topology) -> Topology:
    """The topology, for a test that needs a cluster."""
    return topology


@pytest.fixture
def couchdb(topology: Topology, request: pytest.FixtureRequest) -> str:
    """The base URL of the node that the test speaks to, with credentials."""
    return topology.node_for(request.node.originalname)


@pytest.fixture
def couch(couchdb: str, topology: Topology) -> Iterator[Couch]:
    client = Couch(couchdb, topology.copies)
    yield client
    client.close()


@pytest.fixture
def new_database(couch: Couch) -> Iterator[Callable[[], Database]]:
    """Makes databases with names of their own, dropped afterwards."""
    made: list[Database] = []

    def make() -> Database:
        database = Database(couch, f"numbers/+1{random.randrange(10**12):012}").create()
        made.append(database)
        return database

    yield make
    for database in made:
        database.drop()


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    return new_database()


@pytest.fixture
def settle(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Waits until every event so far is in `_db_updates`: up to 0.53 s in memory, then in every copy."""
    given = request.config.getoption("--couchdb-url")
    seconds = 1.2 if given else 0.8 if "cluster" in request.node.name else 0.65
    return lambda: time.sleep(seconds)


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedCouchDB]:
    """An embedded server that a test may stop, lock or rob of its `_global_changes`."""
    if request.config.getoption("--couchdb-url"):
        pytest.skip("stops, locks or robs the server: not to be done to one that others use")
    with EmbeddedCouchDB(lock_seconds=0.5) as server:
        yield server


@pytest.fixture
def own_couch(own_server: EmbeddedCouchDB) -> Iterator[Couch]:
    client = Couch(own_server.url)
    yield client
    client.close()


@pytest.fixture
def own_database(own_couch: Couch) -> Database:
    return Database(own_couch, "numbers/+1415").create()
