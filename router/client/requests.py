"""Builds requests from Python values. Does no I/O."""

from collections.abc import Iterable

from router.v1 import inbound_pb2 as pb

BATCH = 1000
"""Numbers in one LookupBatch, by its contract."""


def lookup_request(number: str, dial_plan: str, *, authoritative: bool) -> pb.LookupRequest:
    """Return the request for one number."""
    consistency = pb.AUTHORITATIVE if authoritative else pb.CACHED
    return pb.LookupRequest(number=number, dial_plan=dial_plan, consistency=consistency)


def batch_request(numbers: Iterable[str], dial_plan: str, *, authoritative: bool) -> pb.LookupBatchRequest:
    """Return the request for several numbers."""
    lookups = [lookup_request(number, dial_plan, authoritative=authoritative) for number in numbers]
    return pb.LookupBatchRequest(lookups=lookups)
