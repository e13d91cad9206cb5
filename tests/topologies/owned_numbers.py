"""Numbers in several shards, so in several slots of a Cluster, and what a service says of them."""

from router.couch.server import CouchServer
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

OWNERS = ["a" * 32, "b" * 32]
SHARDS = [f"numbers/+141{digit}" for digit in range(6)]
NUMBERS = [f"{shard.removeprefix('numbers/')}8867900" for shard in SHARDS]


def write(databases: CouchServer) -> None:
    """Make the shards; the first owner has all numbers."""
    for shard, number in zip(SHARDS, NUMBERS, strict=True):
        databases.database(shard).create()
        databases.database(shard).put({"_id": number, "pvt_number_state": "in_service", "pvt_assigned_to": OWNERS[0]})


def change_owners(databases: CouchServer) -> None:
    """The second owner has all of them."""
    for shard, number in zip(SHARDS, NUMBERS, strict=True):
        databases.database(shard).put({**databases.database(shard).get(number), "pvt_assigned_to": OWNERS[1]})


def found(stub: InboundRouterStub) -> set[tuple[str, int]]:
    """The owners that lookups name, with the sources of their answers."""
    routes = [stub.Lookup(pb.LookupRequest(number=number), timeout=5) for number in NUMBERS]
    return {(route.account_id, route.source) for route in routes}
