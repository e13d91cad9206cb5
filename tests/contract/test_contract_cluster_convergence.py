"""After any faults the imitated cluster's copies become equal, and a reader gets every revision."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from router.embedded import EmbeddedCluster
from tests.contract.clusters import NAME, Nodes, cluster_of_three
from tests.contract.exchange import Answer, Couch, Database
from tests.support.waiting import eventually

SECONDS = 3.0
IDENTITIES = [f"+141555501{last:02}" for last in range(30)]


def ask(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Answer | None:
    """An answer, or None from a node that is dead or silent."""
    couch = Couch(url)
    couch.connection.timeout = 2
    try:
        with suppress(OSError, HTTPException):
            return couch.send(method, path, body)
        return None
    finally:
        couch.close()


def write(nodes: Nodes, chance: random.Random, end: float) -> None:
    """Create, change and delete documents at any node, on what another node said of them."""
    while time.monotonic() < end:
        path = nodes[0].document(chance.choice(IDENTITIES))
        before = ask(chance.choice(nodes.cluster.urls), "GET", path)
        if before is None or before.status not in {200, 404}:
            continue
        body: dict[str, Any] = {"chance": chance.random(), "_deleted": chance.random() < 0.2}
        if before.status == 200:
            body["_rev"] = before.json["_rev"]
        ask(chance.choice(nodes.cluster.urls), "PUT", path, body)
        time.sleep(0.01)


class Follower:
    """Reads pages at any node, each from where the last ended, until it is told to finish and there is no more."""

    def __init__(self, nodes: Nodes, chance: random.Random) -> None:
        self.met: set[tuple[str, str]] = set()
        self.finish = threading.Event()
        self._nodes = nodes
        self._chance = chance

    def run(self) -> None:
        since, rows = "0", 1
        while rows or not self.finish.is_set():
            finishing = self.finish.is_set()
            path = f"{self._nodes[0].path}/_changes?limit=15&style=all_docs&since={since}"
            page = ask(self._chance.choice(self._nodes.cluster.urls), "GET", path)
            if page is None or page.status != 200:
                continue
            since, found = page.json["last_seq"], page.json["results"]
            rows = len(found) if finishing else 1
            self.met |= {(row["id"], change["rev"]) for row in found for change in row["changes"]}
            time.sleep(0.01)


def inject_fault(cluster: EmbeddedCluster, chance: random.Random) -> None:
    """One fault, and its end."""
    node, seconds = chance.randrange(3), chance.random() * 0.6
    acts: list[tuple[Callable[[int], object], Callable[[int], object]]] = [
        (cluster.kill, cluster.start),
        (cluster.freeze, cluster.thaw),
        (cluster.isolate, cluster.join),
        (cluster.maintenance, lambda node: cluster.maintenance(node, on=False)),
        (lambda node: cluster.lag(node, seconds), lambda node: cluster.lag(node, 0)),
        (lambda _: cluster.split(NAME), lambda _: None),
    ]
    begin, end = chance.choice(acts)
    begin(node)
    time.sleep(seconds)
    end(node)


def leaves(node: Database, identity: str) -> frozenset[str]:
    answer = node.couch.get(f"{node.document(identity)}?open_revs=all&r=1")
    return frozenset(leaf["ok"]["_rev"] for leaf in answer.json) if answer.status == 200 else frozenset()


def test_copies_end_equal_and_no_revision_is_missed() -> None:
    chance = random.Random(7)
    with cluster_of_three(down_after=0.5, request_timeout=0.4, late_share=0.2) as nodes:
        follower = Follower(nodes, random.Random(8))
        end = time.monotonic() + SECONDS
        writers = [threading.Thread(target=write, args=(nodes, random.Random(n), end)) for n in range(3)]
        reading = threading.Thread(target=follower.run)
        for thread in (*writers, reading):
            thread.start()
        while time.monotonic() < end:
            inject_fault(nodes.cluster, chance)
        for thread in writers:
            thread.join()
        nodes.close()  # connections to nodes that died since

        def seen(identity: str) -> set[frozenset[str]]:
            return {leaves(node, identity) for node in nodes for _ in range(4)}

        eventually(lambda: all(len(seen(identity)) == 1 for identity in IDENTITIES))
        time.sleep(0.5)
        follower.finish.set()
        reading.join()
        final = {(identity, revision) for identity in IDENTITIES for revision in leaves(nodes[0], identity)}
    assert len(final) >= len(IDENTITIES)
    assert final <= follower.met
