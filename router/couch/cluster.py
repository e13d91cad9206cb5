"""State and configuration of a CouchDB cluster's nodes: names, copies, delay of events, replication backlog."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.couch.client import CouchClient
from router.couch.errors import BadResponseError, CouchError, CouchUnavailable, NotFoundError
from router.couch.nodes import probe

DEFAULT_EVENT_DELAY = 500
"""CouchDB's `[global_changes] max_write_delay` in milliseconds, where it is not set (3.5.0)."""


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """A CouchDB cluster as one of its nodes knows it.

    Attributes:
        nodes: the names of all nodes; empty where the node does not tell.
        copies: copies of each range of a new database (`n`); shards: ranges of a new database (`q`); None where the
            node does not tell.
    """

    nodes: tuple[str, ...]
    copies: int | None
    shards: int | None


def cluster_info(couch: CouchClient) -> ClusterInfo:
    """Ask the next node about its cluster.

    Raises:
        CouchError: it can't be asked.
    """
    try:
        members = couch.request("GET", ["_membership"])
    except (NotFoundError, BadResponseError):
        members = {}
    names = members.get("cluster_nodes") if isinstance(members, Mapping) else None
    nodes = tuple(map(str, names)) if isinstance(names, list) else ()
    return ClusterInfo(nodes, _number(_setting(couch, "cluster", "n")), _number(_setting(couch, "cluster", "q")))


def event_delay(couch: CouchClient) -> int | None:
    """Return the milliseconds that a node delays an event of `_db_updates`; None where it does not tell."""
    value = _setting(couch, "global_changes", "max_write_delay")
    return DEFAULT_EVENT_DELAY if value == "" else _number(value)


def replication_backlog(couch: CouchClient) -> int | None:
    """Return the number of shards that the connected nodes have yet to push to each other.

    A node that comes back is behind until the others have pushed the changes that it missed; it answers all the while.

    Returns:
        None for a single node, and where CouchDB does not tell.

    Raises:
        CouchUnavailable: a node does not answer.
    """
    try:
        connected = couch.request("GET", ["_membership"])["all_nodes"]
        if len(connected) < 2:  # noqa: PLR2004 - no other node to be behind
            return None
        systems = [couch.request("GET", ["_node", str(node), "_system"]) for node in connected]
        return sum(int(each["internal_replication_jobs"]) for each in systems)
    except CouchUnavailable:
        raise
    except (CouchError, KeyError, TypeError, ValueError):
        return None


def why_not_up(couch: CouchClient) -> str | None:
    """Return the reason why a node takes no requests; None where it does."""
    return probe(couch.nodes.addresses[0])


def _setting(couch: CouchClient, section: str, name: str) -> str | None:
    """Return a setting of the next node; empty where it is not set, None where the node does not tell."""
    try:
        value: Any = couch.request("GET", ["_node", "_local", "_config", section, name])
    except NotFoundError:
        return ""
    except CouchError:
        return None
    return str(value)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
