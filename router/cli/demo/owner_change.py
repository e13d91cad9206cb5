"""Measures how long a change in CouchDB takes until lookups give the new answer."""

import time

from router.cli import sample_numbers
from router.cli.demo.scenes import DEADLINE
from router.cli.demo.seed import MAIN_NUMBER, SHARD
from router.cli.options import Exit, fail
from router.client import Client
from router.couch.server import CouchServer

_TIMEOUT = 10.0
"""Seconds, far beyond anything observed."""


def measure_owner_changes(client: Client, databases: CouchServer) -> list[float]:
    """Change the owner of MAIN_NUMBER several times, at last back to the first one.

    Returns:
        Milliseconds from each write until a lookup returned the new owner.
    """
    first, *others = sample_numbers.ACCOUNTS
    return [_measure(client, databases, owner) for owner in (*others[:3], first)]


def _measure(client: Client, databases: CouchServer, owner: str) -> float:
    database = databases.database(SHARD)
    document = dict(database.get(MAIN_NUMBER))
    database.put(document | {"pvt_assigned_to": owner})
    began = time.monotonic()
    while _owner(client) != owner:
        if time.monotonic() - began > _TIMEOUT:
            fail(f"{MAIN_NUMBER} still routes to its old owner after {_TIMEOUT:.0f} s", Exit.REFUSED)
    return (time.monotonic() - began) * 1000


def _owner(client: Client) -> str:
    result = client.lookup(MAIN_NUMBER, deadline=DEADLINE)
    return result.route.account_id if result.route is not None else ""
