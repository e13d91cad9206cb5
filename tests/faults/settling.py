"""A number's owner once all nodes are back: every copy is read, and each conflict is resolved."""

import time
from concurrent.futures import ThreadPoolExecutor

from router.couch.errors import ConflictError, CouchError, NotFoundError
from router.couch.leaves import Leaf, winner
from router.couch.server import CouchServer
from router.numbers.shards import shard_for
from tests.faults.deployment import Deployment
from tests.faults.ledger import NOBODY
from tests.faults.load import Writers

_WITHIN = 30.0
_POLL_INTERVAL = 0.2
"""Seconds."""
_IN_A_ROW = 2
"""Rounds over all nodes that read the same."""
_NUMBERS_AT_A_TIME = 4
_SINGLE_READS = 3
"""Times that each node is asked for what one copy has."""


def settle(deployment: Deployment, writers: Writers) -> int:
    """Settle the numbers that are contested, as an operator does; nobody writes meanwhile.

    Returns:
        How many there were.

    Raises:
        TimeoutError: the copies don't come to the same.
    """
    numbers = writers.ledger.contested()
    with ThreadPoolExecutor(_NUMBERS_AT_A_TIME) as threads:
        for number, left in zip(numbers, threads.map(lambda each: _resolved(deployment, each), numbers), strict=True):
            claim = writers.ledger.claim(number, left, settles=True)
            writers.ledger.acknowledge(claim, writers.quiet)
    return len(numbers)


def _resolved(deployment: Deployment, number: str) -> str:
    """Delete what stands in conflict behind the winner, and return the winner's account."""
    assert deployment.cluster is not None
    database = str(shard_for(number))
    nodes = [CouchServer(couch) for couch in deployment.cluster.each]
    end, same, before = time.monotonic() + _WITHIN, 0, ""
    while time.monotonic() < end:
        try:
            seen = [_live_leaves(node, database, number) for node in nodes]
            losers = {leaf.revision for leaves in seen for leaf in _losers(leaves)}
            if losers and _is_everywhere(nodes, database, number):
                for revision in losers:
                    nodes[0].database(database).delete(number, revision)
        except (CouchError, ConflictError, NotFoundError):
            same = 0
            time.sleep(_POLL_INTERVAL)
            continue
        revisions = {",".join(sorted(leaf.revision for leaf in leaves)) for leaves in seen}
        agreed = next(iter(revisions)) if len(revisions) == 1 else None
        same = same + 1 if agreed == before else 0
        before = agreed if agreed is not None and "," not in agreed else "in conflict"
        if same >= _IN_A_ROW and agreed is not None:
            return str(seen[0][0].document["pvt_assigned_to"]) if seen[0] else NOBODY
        time.sleep(_POLL_INTERVAL)
    raise TimeoutError(f"the copies of {number} don't agree")


def _live_leaves(node: CouchServer, database: str, number: str) -> list[Leaf]:
    leaves = node.database(database).leaves([number]).get(number, [])
    return [leaf for leaf in leaves if not leaf.is_deleted]


def _is_everywhere(nodes: list[CouchServer], database: str, number: str) -> bool:
    """Return whether each copy seems to have the winner: without it, deleting a loser would remove the number there."""
    found = [node.client.request("GET", [database, number], r=len(nodes))["_rev"] for node in nodes]
    found += [node.client.request("GET", [database, number], r=1)["_rev"] for node in nodes * _SINGLE_READS]
    return len(set(found)) == 1


def _losers(leaves: list[Leaf]) -> list[Leaf]:
    best = winner(leaves) if leaves else None
    return [leaf for leaf in leaves if leaf is not best]
