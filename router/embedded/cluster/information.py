"""`GET /{db}` of a cluster: each range's counters from the copy that answered first."""

from typing import Any

from router.embedded.cluster.copies import Copies
from router.embedded.cluster.network import Network
from router.embedded.cluster.sequences import RANGES, Mark, pack
from router.embedded.couchdb.databases import Database


def information(copies: Copies, chosen: list[tuple[int, Database]], network: Network) -> dict[str, Any]:
    """Return the body of `GET /{db}`; `chosen` is a node with its copy for each range."""
    counters = [copy.counters for _, copy in chosen]
    updates: list[tuple[int, Mark]] = []
    purges: list[tuple[int, Mark]] = []
    for shard in reversed(range(RANGES)):
        one, copy = chosen[shard]
        updates.append((shard, Mark(one, counters[shard].sequence[shard], copy.uuids[shard])))
        purges.append((shard, Mark(one, counters[shard].purges[shard])))
    return chosen[0][1].info() | {
        "update_seq": pack(updates, split=copies.split),
        "purge_seq": pack(purges, split=copies.split),
        "cluster": {"q": RANGES, "n": network.count, "w": network.quorum, "r": network.quorum},
    }
