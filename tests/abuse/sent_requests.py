"""Requests that several attacks send, and how a connection to the service ended."""

from router.v1 import inbound_pb2 as pb
from tests.abuse.harness import NUMBER
from tests.abuse.wire import (
    Connection,
)

MEGABYTE = 1 << 20
BATCH_OF_CALLS = 50
LOOKUP_REQUEST = pb.LookupRequest(number=NUMBER).SerializeToString()
BATCH_OF_ONE = pb.LookupBatchRequest(lookups=[pb.LookupRequest(number=NUMBER)]).SerializeToString()


def hung_up(attacker: Connection) -> str:
    return "closed" if attacker.closed.wait(0.1) else "not read any more"


def closing_of(attacker: Connection) -> str:
    return "closed" if attacker.closed.wait(0.1) else "no answer"
