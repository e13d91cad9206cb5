"""The CouchDB part of `did-router check`: every node, the cluster, and the databases."""

from collections.abc import Iterator, Mapping

from router.cli.finding import Finding
from router.couch import cluster
from router.couch.client import CouchClient
from router.couch.errors import CouchError
from router.couch.server import CouchServer
from router.numbers.kazoo_databases import ACCOUNTS
from router.numbers.shards import is_shard
from router.settings import Settings
from router.settings.urls import without_password
from router.stores.clients import Stores

_NODE_TIMEOUT = 5.0
"""Seconds for a response of a single node: it is small, and a frozen node sends none."""
_SLOW_EVENTS_MS = 100
"""Milliseconds of delayed events in CouchDB above which the remedy is shown."""


def couchdb_findings(settings: Settings, stores: Stores) -> Iterator[Finding]:
    """Yield findings for every node that the settings name, then for the databases."""
    couch = stores.databases.client
    where = f"CouchDB {without_password(settings.couchdb.url)}"
    nodes = {address: node.with_timeout(_NODE_TIMEOUT) for address, node in couch.each_node().items()}
    if couch.nodes.are_several:
        versions = {address: _version(node) for address, node in nodes.items()}
        yield from (_node(address, node, versions[address]) for address, node in nodes.items())
        nodes = {address: node for address, node in nodes.items() if isinstance(versions[address], str)}
    try:
        names = stores.databases.names()
        version = stores.databases.version()
    except CouchError as problem:
        yield Finding(where, str(problem), ok=False, reachable=False)
        return
    shards = sum(is_shard(name) for name in names)
    yield Finding(where, f"version {version}, {shards} number databases")
    yield from _cluster(couch)
    if "_global_changes" not in names:
        yield Finding(
            "_global_changes",
            "missing, so changes show only with the follower's sweeps: create that database",
            ok=False,
        )
    else:
        yield from _events(nodes)
    if ACCOUNTS not in names:
        yield Finding(ACCOUNTS, "missing: every account counts as unknown (setting unknown_account)", ok=True)


def _version(node: CouchClient) -> str | CouchError:
    """Return a node's version, or why it doesn't answer."""
    try:
        return CouchServer(node).version()
    except CouchError as problem:
        return problem


def _node(address: str, node: CouchClient, version: str | CouchError) -> Finding:
    subject = f"CouchDB node {address.rstrip('/')}"
    if isinstance(version, CouchError):
        return Finding(subject, f"{version}; the other nodes are asked in its place", ok=False)
    reason = cluster.why_not_up(node)
    if reason is not None:
        return Finding(subject, f"version {version}, takes no requests: {reason}", ok=False)
    return Finding(subject, f"version {version}, up")


def _cluster(couch: CouchClient) -> Iterator[Finding]:
    try:
        info = cluster.cluster_info(couch)
    except CouchError as problem:
        yield Finding("cluster", f"would not say of which nodes it is: {problem}", ok=False)
        return
    if len(info.nodes) <= 1:
        return
    copies, shards = info.copies or "?", info.shards or "?"
    yield Finding("cluster", f"{len(info.nodes)} nodes ({', '.join(info.nodes)}), n={copies}, q={shards}")


def _events(nodes: Mapping[str, CouchClient]) -> Iterator[Finding]:
    for address, node in nodes.items():
        delay = cluster.event_delay(node)
        if delay is not None and delay > _SLOW_EVENTS_MS:
            url = f"{address}_node/_local/_config/global_changes/max_write_delay"
            yield Finding(
                "max_write_delay",
                f"{delay} ms, for which the first change of an idle shard waits; 20 makes that 60 ms: "
                f"curl -u USER -X PUT {url} -d '\"20\"' (on every node; docs/couchdb.md says what it costs)",
            )
