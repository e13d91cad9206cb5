"""From a write's acknowledgement to a lookup that shows it.

Changes of an idle shard wait for CouchDB's `[global_changes] max_write_delay`: it is set on every node of the CouchDB
given, and put back at the end.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import grpc

from benchmarks.deployment import ACCOUNTS, Deployment, deployment, number, parser, percentile
from router.couch.client import CouchClient
from router.couch.errors import NotFoundError
from router.server.app import Service
from router.settings import Settings
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub


def main() -> None:
    """Run it."""
    options = parser(__doc__ or "", databases=50, documents=5_000)
    options.add_argument("--writes", type=int, default=500, help="to a busy shard (%(default)s)")
    options.add_argument("--wakes", type=int, default=30, help="first writes to shards that were idle (%(default)s)")
    options.add_argument(
        "--max-write-delay",
        type=int,
        default=20,
        help="milliseconds that a real CouchDB keeps events; its own default is 500 (%(default)s)",
    )
    given = options.parse_args()
    with (
        deployment(given.couchdb_url, given.databases, given.documents) as on,
        _event_delay(given.couchdb_url, given.max_write_delay),
    ):
        settings = Settings.load(
            couchdb_url=on.couchdb_url,
            redis_url=on.redis_url,
            listen="127.0.0.1:0",
            admin_listen="127.0.0.1:0",
            http_listen="",
        )
        service = Service(settings, with_follower=True)
        service.start()
        while service.readiness.state.name != "ready":
            time.sleep(0.05)
        with grpc.insecure_channel(f"127.0.0.1:{service.transport.port}") as channel:
            stub = InboundRouterStub(channel)
            idle = [_once(on, stub, name, 0) for name in on.names[1 : given.wakes + 1]]
            _print("first write to an idle shard", idle)
            busy = [_once(on, stub, on.names[0], index % 50) for index in range(given.writes)]
            _print("writes to a busy shard", busy[1:])
        service.stop()


@contextmanager
def _event_delay(couchdb_url: str | None, milliseconds: int) -> Iterator[None]:
    """Have every node of a real CouchDB keep events for so long; the embedded one always keeps them for 500."""
    nodes = CouchClient(couchdb_url, timeout=5).each_node().values() if couchdb_url else ()
    before = [(node, _write_delay(node)) for node in nodes]
    # The package sends text as it stands, and CouchDB wants JSON.
    print(f"max_write_delay: {milliseconds if couchdb_url else 500} ms")
    try:
        for node, _ in before:
            node.request("PUT", _WRITE_DELAY, f'"{milliseconds}"')
        yield
    finally:
        for node, value in before:
            if value is None:
                with suppress(NotFoundError):
                    node.request("DELETE", _WRITE_DELAY)
            else:
                node.request("PUT", _WRITE_DELAY, f'"{value}"')


def _write_delay(node: CouchClient) -> str | None:
    try:
        return str(node.request("GET", _WRITE_DELAY))
    except NotFoundError:
        return None


_WRITE_DELAY = ["_node", "_local", "_config", "global_changes", "max_write_delay"]


def _once(on: Deployment, stub: InboundRouterStub, name: str, index: int) -> float:
    identifier = number(name, index)
    found = dict(on.databases.database(name).get(identifier))
    owner = ACCOUNTS[(ACCOUNTS.index(found["pvt_assigned_to"]) + 1) % len(ACCOUNTS)]
    on.databases.database(name).put(found | {"pvt_assigned_to": owner})
    acknowledged = time.perf_counter()
    while stub.Lookup(pb.LookupRequest(number=identifier), timeout=5).account_id != owner:
        pass
    return (time.perf_counter() - acknowledged) * 1000


def _print(what: str, took: list[float]) -> None:
    shares = ", ".join(f"p{share * 100:g} {percentile(took, share):.1f} ms" for share in (0.5, 0.9, 0.99))
    print(f"{what}: {len(took)} writes, {shares}, max {max(took):.1f} ms")


if __name__ == "__main__":
    main()
