"""Stores on an imitated CouchDB cluster, and followers of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.embedded import EmbeddedCluster
from router.follower.follower import Follower
from router.follower.leader_session import LeaderSession
from router.stores.clients import Stores
from tests.integration.real_stores import RealStores


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    """Three nodes; the third copy of every write comes late."""
    with EmbeddedCluster(down_after=20.0, late_share=1.0, late_seconds=0.05, seed=1) as made:
        yield made


@pytest.fixture
def on_cluster(cluster: EmbeddedCluster, redis_url: str) -> Iterator[RealStores]:
    made = RealStores(cluster, redis_url)
    made.databases = CouchServer(CouchClient(cluster.joined_url, timeout=20))
    yield made
    made.close()


@pytest.fixture
def follow(on_cluster: RealStores) -> Iterator[Any]:
    """Starts followers of the cluster."""
    running: list[Follower] = []

    def start(**settings: Any) -> Follower:
        wanted = on_cluster.settings(**settings)
        running.append(Follower(wanted, Stores(wanted)))
        running[-1].start()
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[LeaderSession]:
    """Every session of a leader that began; the last one leads."""
    begun: list[LeaderSession] = []
    start = LeaderSession.start

    def start_and_record(session: LeaderSession) -> None:
        begun.append(session)
        start(session)

    monkeypatch.setattr(LeaderSession, "start", start_and_record)
    return begun
