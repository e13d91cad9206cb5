"""Fixtures that every folder of tests may use: a Redis and a CouchDB-speaking database."""

from collections.abc import Iterator

import pytest
from redis import Redis

from router.embedded import EmbeddedCouchDB, EmbeddedRedis


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--couchdb-url",
        help="a real CouchDB to use instead of the embedded one, with an administrator's credentials:"
        " http://admin:password@127.0.0.1:5984",
    )


@pytest.fixture(scope="session")
def couchdb_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a CouchDB, with credentials: the one given, else an embedded one."""
    given = request.config.getoption("--couchdb-url")
    if given:
        yield str(given).rstrip("/")
        return
    with EmbeddedCouchDB() as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a Redis of this session's own."""
    with EmbeddedRedis() as server:
        yield server.url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The same, emptied for each test."""
    with Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server
