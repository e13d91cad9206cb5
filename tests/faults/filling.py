"""The contents of a deployment's CouchDB before the start, and its clean-up afterwards."""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from router.couch.errors import ConflictError, NotFoundError
from router.couch.server import CouchServer
from router.runtime.chunked import chunked

SHARDS = ("numbers/+1415", "numbers/+4420", "numbers/+4930")
NAMES = ("accounts", "port_requests", "system_config", *SHARDS)
_OURS = "did-router-soak"
"""Stands for the claim on a CouchDB that is not ours alone."""
_BATCH_SIZE = 1000
MAX_FILLERS = 700_000
"""So that no filler is a number that callers ask for."""


def filler_numbers(shard: str, count: int) -> list[str]:
    """Return numbers of a shard that callers don't ask for."""
    return [f"{shard.removeprefix('numbers/')}8{100_000 + index}" for index in range(count)]


def fill(databases: CouchServer, accounts: Sequence[str], more: Iterable[str], fillers: int) -> None:
    """Make the databases with accounts and filler numbers.

    Args:
        databases: of a patient client.
        more: further databases, empty.
        fillers: numbers in each shard.
    """
    for name in (*NAMES, *more):
        databases.database(name).create()
    fields: dict[str, Any] = {"pvt_type": "account", "pvt_enabled": True, "name": "A"}
    _put(databases, "accounts", [{"_id": each, **fields} for each in accounts])
    fields = {"pvt_type": "number", "pvt_number_state": "in_service", "pvt_assigned_to": accounts[0]}
    for shard in SHARDS:
        _put(databases, shard, [{"_id": each, **fields} for each in filler_numbers(shard, fillers)])


def claim(databases: CouchServer) -> None:
    """Check that nobody's databases are in our way; those that an earlier run left behind go."""
    there = set(databases.names())
    if _OURS in there:
        empty(databases)
    elif there & set(NAMES):
        raise RuntimeError(f"the CouchDB holds {', '.join(sorted(there & set(NAMES)))}: give one without")
    with contextlib.suppress(ConflictError):
        databases.database(_OURS).create()


def empty(databases: CouchServer) -> None:
    """Drop what `fill` and `claim` made."""
    ours = [name for name in databases.names() if name in NAMES or name.startswith("account/00/00/")]
    for name in (*ours, _OURS):
        with contextlib.suppress(NotFoundError):
            databases.database(name).drop()


def _put(databases: CouchServer, name: str, documents: Sequence[dict[str, Any]]) -> None:
    for batch in chunked(documents, _BATCH_SIZE):
        rows = databases.database(name).put_many(batch)
        refused = [row for row in rows if "error" in row]
        if refused:
            raise RuntimeError(f"{name} can't be filled: {refused[0]}")
