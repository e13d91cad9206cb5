"""Fixtures of the contract: what must hold on the embedded database and on a real CouchDB alike."""

import random
import time
from collections.abc import Callable, Iterator

import pytest

from router.embedded import EmbeddedCouchDB
from tests.contract.exchange import Couch, Database


@pytest.fixture
def couchdb(couchdb_server: str) -> str:
    """The base URL, with credentials."""
    return couchdb_server


@pytest.fixture
def couch(couchdb: str) -> Iterator[Couch]:
    client = Couch(couchdb)
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
    """Waits until every event so far is in `_db_updates`: they stay up to 0.53 s in memory, then are written."""
    seconds = 1.2 if request.config.getoption("--couchdb-url") else 0.65
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
