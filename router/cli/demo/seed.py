"""The demo's data: example numbers from all over the world, and one number for each scene."""

from dataclasses import dataclass
from typing import Any

from router.cli import sample_numbers
from router.couch.server import CouchServer
from router.numbers.kazoo_databases import ACCOUNTS, PORT_REQUESTS, SYSTEM_CONFIG

SHARD = "numbers/+1415"
"""The database of every scene's number."""
MAIN_NUMBER = "+14158867900"
"""The number that most scenes look up."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """The count of numbers and of number databases that were created."""

    numbers: int
    databases: int


def seed(databases: CouchServer) -> Seeded:
    """Create all databases with their documents."""
    numbers = sample_numbers.number_documents()
    numbers.setdefault(SHARD, []).extend(_scene_documents())
    others = {ACCOUNTS: sample_numbers.account_documents(), PORT_REQUESTS: [_port_request()], SYSTEM_CONFIG: []}
    for name, documents in (numbers | others).items():
        databases.database(name).create()
        databases.database(name).put_many(documents)
    return Seeded(sum(len(documents) for documents in numbers.values()), len(numbers))


def _scene_documents() -> list[dict[str, Any]]:
    accounts = list(sample_numbers.ACCOUNTS)
    fields_of = {
        MAIN_NUMBER: {"pvt_number_state": "in_service", "pvt_assigned_to": accounts[0]},
        "+14158867901": {"pvt_number_state": "reserved", "pvt_assigned_to": accounts[1]},
        "+14158867902": {"pvt_number_state": "port_in", "pvt_assigned_to": accounts[2]},
        "+14158867904": {"pvt_number_state": "aging", "pvt_assigned_to": accounts[3]},
        "+14158867905": {"pvt_number_state": "in_service"},
        "+14158867906": {"pvt_number_state": "in_service", "pvt_assigned_to": sample_numbers.DISABLED},
    }
    return [{"_id": number, "pvt_type": "number", **fields} for number, fields in fields_of.items()]


def _port_request() -> dict[str, Any]:
    return {
        "_id": "port-1",
        "pvt_type": "port_request",
        "pvt_port_state": "scheduled",
        "pvt_account_id": next(iter(sample_numbers.ACCOUNTS)),
        "numbers": {"+14158867903": {}},
    }
