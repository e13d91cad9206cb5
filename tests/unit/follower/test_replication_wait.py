"""A follower does not count as caught up while nodes of a cluster may have changes left to replicate."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from router.couch.cluster import replication_backlog
from router.couch.errors import CouchUnavailable, NotFoundError
from router.follower import replication_wait
from router.follower.replication_wait import ReplicationWait
from tests.support.waiting import eventually


class Nodes:
    """Stands for a CouchDB of several nodes, by what each says of its work."""

    def __init__(self, *jobs: int) -> None:
        self.jobs = list(jobs)
        self.silent = False

    def request(self, _: str, path: list[str]) -> Any:
        if path == ["_membership"]:
            return {"all_nodes": [str(node) for node in range(len(self.jobs))]}
        if self.silent:
            raise CouchUnavailable("timed out")
        return {"internal_replication_jobs": self.jobs[int(path[1])]}


class Elsewhere(Nodes):
    """A CouchDB that knows of no such page."""

    def request(self, _: str, path: list[str]) -> Any:
        raise NotFoundError("missing")


Start = Callable[[Nodes], tuple[ReplicationWait, list[float]]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(replication_wait, "INTERVAL", 0.02)
    monkeypatch.setattr(replication_wait, "BEGINS_WITHIN", 0.2)
    monkeypatch.setattr(replication_wait, "ENDS_WITHIN", 1.5)
    running: list[ReplicationWait] = []

    def begin(nodes: Nodes) -> tuple[ReplicationWait, list[float]]:
        settled: list[float] = []
        made = ReplicationWait(nodes, lambda: settled.append(time.monotonic()))  # type: ignore[arg-type]
        made.start()
        made.begin(time.monotonic(), 60.0)
        running.append(made)
        return made, settled

    yield begin
    for each in running:
        each.close()


def test_replication_backlog_is_the_sum_of_all_nodes() -> None:
    assert replication_backlog(Nodes(0, 3, 4)) == 7  # type: ignore[arg-type]
    assert replication_backlog(Nodes(5)) is None, "a single node has nobody to be behind"  # type: ignore[arg-type]
    assert replication_backlog(Elsewhere()) is None  # type: ignore[arg-type]


def test_single_node_is_settled_from_its_connection_on(start: Start) -> None:
    made, settled = start(Nodes(0))
    eventually(lambda: made.settled_at is not None, 2)
    assert not settled, "there is nothing to compare once more"


def test_nodes_that_push_are_waited_for(start: Start) -> None:
    nodes = Nodes(0, 2, 0)
    made, settled = start(nodes)
    time.sleep(0.6)
    assert made.settled_at is None
    nodes.jobs[1] = 0
    eventually(lambda: made.settled_at is not None, 2)
    eventually(lambda: len(settled) == 1, 2)


def test_replication_wait_outlasts_an_initial_backlog_of_zero(start: Start) -> None:
    began = time.monotonic()
    made, _ = start(Nodes(0, 0))
    eventually(lambda: made.settled_at is not None, 2)
    assert made.settled_at is not None
    assert made.settled_at - began > replication_wait.BEGINS_WITHIN


def test_frozen_node_is_not_waited_for(start: Start) -> None:
    nodes = Nodes(0, 0)
    nodes.silent = True
    made, _ = start(nodes)
    eventually(lambda: made.settled_at is not None, 1.0)


def test_work_without_end_is_waited_for_only_so_long(start: Start) -> None:
    made, settled = start(Nodes(1, 1))
    eventually(lambda: made.settled_at is not None, 5)
    assert len(settled) == 1


def test_later_connection_begins_anew(start: Start) -> None:
    nodes = Nodes(0, 1)
    made, _ = start(nodes)
    time.sleep(0.1)
    made.begin(time.monotonic(), 60.0)
    assert made.settled_at is None
    nodes.jobs[1] = 0
    eventually(lambda: made.settled_at is not None, 3)
