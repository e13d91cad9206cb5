"""Fixtures that every folder of tests may use: a Redis and a CouchDB-speaking database."""

import os
import tempfile
import threading
from collections.abc import Iterator

import pytest
from redis import Redis

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from router.embedded.redis import find_server
from router.runtime.background_thread import BackgroundThread
from tests.support.examples import register_profiles

register_profiles()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--couchdb-url",
        help="a real CouchDB to use instead of the embedded one, with an administrator's credentials:"
        " http://admin:password@127.0.0.1:5984",
    )


LONG_FILES = (
    "tests/topologies/test_redis_forms.py",
    "tests/faults/test_faults.py",
    "tests/topologies/test_cluster_moved.py",
    "tests/integration/bulk/test_import_orders.py",
    "tests/cli/test_console.py",
)
"""Those that take longest (`--durations`): a file stays with one worker, and none shall run alone at the end."""


@pytest.fixture(scope="session", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Refused passwords are remembered in a temporary folder; what one run saw must not reach the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
        patch.setattr(tempfile, "tempdir", None)
        yield


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
def redis_program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Redis server that is started wherever one is: the machine's first, or the one that `on_each_redis` chose.

    It is put first on the PATH, so that commands that start a Redis of their own take it too.
    """
    chosen = getattr(request, "param", None)
    if chosen is None:
        yield find_server()
        return
    folder = tmp_path_factory.mktemp("chosen-redis")
    (folder / "redis-server").symlink_to(chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder), prepend=os.pathsep)
        yield chosen


@pytest.fixture(scope="session")
def redis_server(redis_program: str) -> Iterator[str]:
    """The URL of a Redis of this session's own."""
    with EmbeddedRedis() as server:
        yield server.url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of that Redis, emptied for each test."""
    with Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture(autouse=True)
def _stopped_threads_end() -> Iterator[None]:
    """Wait for threads that the test has stopped: one that still waits for a server would reach into later tests.

    Those of a Redis Cluster that is away draw random numbers meanwhile, which hypothesis notices.
    """
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        owner = getattr(getattr(thread, "_target", None), "__self__", None)
        if isinstance(owner, BackgroundThread) and owner.stopping:
            thread.join(20)


_LEFT_BEHIND = (
    "ignore:unclosed:ResourceWarning",
    "ignore:subprocess .* is still running:ResourceWarning",
    "ignore:Do not use the .random. module inside strategies:hypothesis.errors.HypothesisDeprecationWarning",
)
"""Connections of clients that nothing closes, and killed processes that nothing waits for: the garbage collector ends
them in some later test. Threads of libraries that still wait for a server that is gone draw their delays from `random`,
which hypothesis blames on a strategy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, and turn warnings into errors, unless a test says otherwise itself."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG_FILES))
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("error", *_LEFT_BEHIND), append=False)
