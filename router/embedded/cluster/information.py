"""`GET /{db}` of a cluster: each range's numbers from the copy that answered first."""

from typing import Any

from router.embedded.cluster.copies import Copies
from router.embedded.cluster.network import Network
from router.embedded.cluster.sequences import Mark, pack


def information(copies: Copies, chosen: list[int], network: Network) -> dict[str, Any]:
    """Return the body of `GET /{db}`; `chosen` is a node for each range."""
    counters = [copies.databases[one].counters for one in chosen]
    updates = [
        (shard, Mark(one, counters[shard].sequence[shard], copies.uuids[one][shard]))
        for shard, one in reversed(list(enumerate(chosen)))
    ]
    purges = [(shard, Mark(one, counters[shard].purges[shard])) for shard, one in reversed(list(enumerate(chosen)))]
    return copies.databases[chosen[0]].info() | {
        "update_seq": pack(updates, split=copies.split),
        "purge_seq": pack(purges, split=copies.split),
        "cluster": {"q": 2, "n": network.count, "w": network.quorum, "r": network.quorum},
    }
