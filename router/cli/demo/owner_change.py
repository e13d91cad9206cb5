"""Measures how long a change in CouchDB takes until lookups give the new answer."""

import time

from router.cli import sample_numbers
from router.cli.client import send_lookup
from router.cli.demo.scenes import DEADLINE
from router.cli.demo.seed import MAIN_NUMBER, SHARD
from router.cli.options import Exit, fail
from router.couch.server import CouchServer
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

_TIMEOUT = 10.0
"""Seconds, far beyond anything observed."""


def measure_owner_changes(stub: InboundRouterStub, databases: CouchServer) -> list[float]:
    """Change the owner of MAIN_NUMBER several times, at last back to the first one.

    Returns:
        Milliseconds from each write until a lookup returned the new owner.
    """
    first, *others = sample_numbers.ACCOUNTS
    return [_measure(stub, databases, owner) for owner in (*others[:3], first)]


def _measure(stub: InboundRouterStub, databases: CouchServer, owner: str) -> float:
    database = databases.database(SHARD)
    document = dict(database.get(MAIN_NUMBER))
    database.put(document | {"pvt_assigned_to": owner})
    began = time.monotonic()
    while _owner(stub) != owner:
        if time.monotonic() - began > _TIMEOUT:
            fail(f"{MAIN_NUMBER} still routes to its old owner after {_TIMEOUT:.0f} s", Exit.REFUSED)
    return (time.monotonic() - began) * 1000


def _owner(stub: InboundRouterStub) -> str:
    result = send_lookup(stub, pb.LookupRequest(number=MAIN_NUMBER), DEADLINE)
    return result.route.account_id if result.route is not None else ""
