"""`knm_managed` and `knm_inum` in a real database: who has a number is said there, and nothing else of it lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB
from router.lifecycle.document_writer import new_document
from router.manager.carriers.carrier import Carrier, CarrierError, CarrierOrder
from router.manager.carriers.registry import CarrierRegistry
from router.numbers.kazoo_databases import INUM_DATABASE, MANAGED_DATABASE
from router.settings import Settings

NUMBER = "+14158867900"
ACCOUNT = "a" * 32


@pytest.fixture
def databases(couchdb: EmbeddedCouchDB) -> CouchServer:
    return CouchServer(CouchClient(couchdb.url, timeout=10))


def carrier(databases: CouchServer, name: str = "knm_managed") -> Carrier:
    return CarrierRegistry(Settings.load(None), databases).find(name)


def order(account: str | None = ACCOUNT, state: str = "in_service", *, dry_run: bool = False) -> CarrierOrder:
    number = new_document(NUMBER, state=state, module_name="knm_managed", authorizing_account="system", now=63877497874)
    return CarrierOrder("key", replace(number, assigned_to=account), {"mine": 1}, dry_run=dry_run)


def test_database_is_made_when_first_needed(databases: CouchServer) -> None:
    assert carrier(databases).acquire(order(dry_run=True)) == {"mine": 1}
    assert MANAGED_DATABASE not in databases.names()

    assert carrier(databases).acquire(order()) == {"mine": 1}

    document = dict(databases.database(MANAGED_DATABASE).get(NUMBER))
    assert document.pop("_rev").startswith("1-")
    assert document == {
        "_id": NUMBER,
        "pvt_type": "number",
        "pvt_state": "in_service",
        "pvt_assigned_to": ACCOUNT,
        "pvt_module_name": "knm_managed",
    }


@pytest.mark.parametrize(
    ("name", "database", "returned"),
    [("knm_managed", MANAGED_DATABASE, "available"), ("knm_inum", INUM_DATABASE, "released")],
)
def test_number_is_taken_out_of_stock_and_put_back(
    databases: CouchServer, name: str, database: str, returned: str
) -> None:
    databases.database(database).create()
    stands = {"_id": NUMBER, "pvt_account_id": "b" * 32, "pvt_state": "available", "price": 7}
    databases.database(database).put(stands)
    mine = carrier(databases, name)

    mine.acquire(order(state="reserved"))
    taken = dict(databases.database(database).get(NUMBER))
    mine.acquire(order(state="reserved"))
    mine.disconnect(order(None, returned))
    back = dict(databases.database(database).get(NUMBER))

    assert (taken["pvt_state"], taken["pvt_assigned_to"]) == ("reserved", ACCOUNT)
    assert taken["_rev"].startswith("2-")
    assert back["_rev"].startswith("3-"), "what stands already is not written again"
    assert {**stands, "pvt_state": returned, "pvt_module_name": name, "_rev": back["_rev"]} == back


def test_writers_at_the_same_time_all_get_through(databases: CouchServer) -> None:
    mine = carrier(databases)
    together = threading.Barrier(6)

    def take(position: int) -> Any:
        together.wait()
        return mine.acquire(order(str(position) * 32))

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(take, range(6))) == [{"mine": 1}] * 6

    assert databases.database(MANAGED_DATABASE).get(NUMBER)["_rev"].startswith("6-")


def test_stock_that_can_not_be_written_is_an_error_in_words() -> None:
    nowhere = CouchServer(CouchClient("http://127.0.0.1:1", timeout=1))

    with pytest.raises(CarrierError, match="numbers/managed can't be written: CouchDB at"):
        carrier(nowhere).acquire(order())
