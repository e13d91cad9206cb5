"""The installed command against real embedded stores and a real service."""

import signal
from collections.abc import Iterator

import pytest

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from tests.cli.command import DOCUMENTS, SERVE, Process, Running, Start, databases_at, serving


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts commands that run on; what is left of them at the end is killed."""
    started: list[Process] = []

    def begin(*arguments: str) -> Process:
        process = Process(*arguments)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.popen.poll() is None:
            process.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def couchdb() -> Iterator[str]:
    """An embedded database with the documents above; never the real one that --couchdb-url names."""
    with EmbeddedCouchDB() as server:
        databases = databases_at(server.url)
        for name, documents in DOCUMENTS.items():
            databases.database(name).create()
            databases.database(name).put_many(documents)
        yield server.url


@pytest.fixture
def stores(couchdb: str, redis_url: str) -> tuple[str, ...]:
    """Flags that name the database and an empty Redis."""
    return "--couchdb-url", couchdb, "--redis-url", redis_url


@pytest.fixture(scope="session")
def service(couchdb: str) -> Iterator[Running]:
    """A service with its follower, a Redis of its own, and everything in the cache."""
    with EmbeddedRedis() as redis:
        process = Process(*SERVE, "--with-follower", "--couchdb-url", couchdb, "--redis-url", redis.url)
        try:
            running = serving(process)
            process.wait_for("readiness: ready:")
            yield running
        finally:
            process.end(signal.SIGTERM)
