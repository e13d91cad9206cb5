"""Failovers by sentinels, and a Cluster that changes, while load runs."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from tests.faults.filling import SHARDS
from tests.faults.forms import Cluster, Sentinels
from tests.faults.harness import Harness, meanwhile
from tests.topologies.servers import until

_TAGS = [f"{{{shard.removeprefix('numbers/')}}}" for shard in SHARDS]
_OTHER_TAGS = ["{follower}", "{accounts}"]


@contextmanager
def master_killed(harness: Harness) -> Iterator[None]:
    """The replica is made master; what was killed comes back empty, as the replica."""
    master = _sentinels(harness).master()
    master.kill()
    yield
    master.start()
    master.wait_listening()
    until(_sentinels(harness).has_both)


@contextmanager
def master_frozen(harness: Harness) -> Iterator[None]:
    """The replica is made master; the former one wakes up, and takes itself for the master until it is told."""
    master = _sentinels(harness).master()
    master.freeze()
    yield
    master.thaw()


@contextmanager
def asked_for(harness: Harness) -> Iterator[None]:
    """Two masters for a while, both well, and clients connected to the former one."""
    _sentinels(harness).fail_over()
    yield


@contextmanager
def without_one(harness: Harness) -> Iterator[None]:
    """The sentinel that is named first is gone when the master goes."""
    sentinels = _sentinels(harness)
    sentinels.watchers[0].kill()
    with master_killed(harness):
        yield
    sentinels.watchers[0].start()
    sentinels.watchers[0].wait_listening()


@contextmanager
def slots_move(harness: Harness) -> Iterator[None]:
    """Slots go from node to node, key after key, while all that is in them is asked for and changed."""
    cluster = _cluster(harness)

    def go_on(over: threading.Event) -> None:
        while not over.is_set():
            cluster.move(harness.chance.choice((*_TAGS, *_TAGS, *_OTHER_TAGS)))

    with meanwhile(go_on):
        yield
    until(cluster.is_whole)


@contextmanager
def node_killed(harness: Harness) -> Iterator[None]:
    """A third of the slots is served by nobody; the node comes back empty."""
    cluster = _cluster(harness)
    node = harness.chance.choice(cluster.programs)
    node.kill()
    yield
    node.start()
    node.wait_listening()
    with contextlib.suppress(redis.RedisError):
        until(cluster.is_whole)


def _sentinels(harness: Harness) -> Sentinels:
    assert isinstance(harness.deployment.form, Sentinels)
    return harness.deployment.form


def _cluster(harness: Harness) -> Cluster:
    assert isinstance(harness.deployment.form, Cluster)
    return harness.deployment.form
