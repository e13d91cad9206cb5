"""Maintenance: changes of state that are due by time, by a command and by the leading follower."""

import time
from typing import Any

import pytest

from router.couch.database import CouchDatabase
from router.couch.server import CouchServer
from router.manager.maintenance import Maintenance
from router.manager.outcomes import Outcome
from router.numbers.gregorian import from_unix
from tests.cli.command import run
from tests.integration.conftest import StartService
from tests.integration.manager_stores import CHILD, INVENTORY, SHARD, Manager, family
from tests.integration.real_stores import NUMBER, RealStores
from tests.support.waiting import eventually

DAY = 86_400
LONG_AGO = from_unix(int(time.time()) - 91 * DAY)
LATELY = from_unix(int(time.time()) - 89 * DAY)
NOW = from_unix(int(time.time()))


@pytest.fixture
def aged(stores: RealStores) -> None:
    """Numbers of every age; due are 1 to 3, in two databases."""
    family(stores)
    written: dict[str, dict[str, Any]] = {
        "+14158860001": {"pvt_number_state": "aging", "pvt_modified": LONG_AGO, "account": CHILD},
        "+14158860002": {"pvt_number_state": "discovery", "pvt_modified": LATELY},
        "+12018860003": {"pvt_number_state": "deleted", "pvt_modified": NOW},
        "+14158860004": {"pvt_number_state": "aging", "pvt_modified": LATELY},
        "+14158860005": {"pvt_number_state": "discovery", "pvt_modified": NOW},
        "+14158860006": {"pvt_number_state": "aging"},
        "+14158860007": {"pvt_number_state": "in_service", "pvt_modified": LONG_AGO, "account": CHILD},
        "+14158860008": {"pvt_number_state": "reserved", "pvt_modified": LONG_AGO, "account": CHILD},
    }
    for number, fields in written.items():
        stores.number(number, **{"account": None, "pvt_module_name": INVENTORY, **fields})
    stores.put(SHARD, "_design/numbers", views={})
    stores.put("numbers/managed", "+14158860009", pvt_state="aging", pvt_modified=LONG_AGO)


def states(stores: RealStores) -> dict[str, str]:
    found: dict[str, str] = {}
    for database in (SHARD, "numbers/+1201"):
        for page in stores.databases.database(database).all_documents(100):
            found |= {str(each["_id"])[-1]: each["pvt_number_state"] for each in page if "pvt_number_state" in each}
    return found


AFTER = {
    "1": "available",
    "4": "aging",
    "5": "discovery",
    "6": "aging",
    "7": "in_service",
    "8": "reserved",
}


@pytest.mark.usefixtures("aged")
def test_maintenance_changes_due_numbers_only(stores: RealStores) -> None:
    manager = Manager(stores).manager
    before = states(stores)
    reported: list[Outcome] = []
    would = Maintenance(manager, dry_run=True, on_outcome=reported.append).run()
    assert (would.available, would.removed, len(reported), states(stores)) == (1, 2, 3, before)

    report = Maintenance(manager).run()
    assert (report.databases, report.numbers, report.available, report.removed) == (2, 9, 1, 2)
    assert (report.failed, report.failed_databases, report.complete) == ({}, {}, True)
    assert states(stores) == AFTER
    available = stores.databases.database(SHARD).get("+14158860001")
    assert "pvt_assigned_to" not in available
    assert available["pvt_previously_assigned_to"] == CHILD
    assert stores.cached("+14158860002") == "deleted"

    again = Maintenance(manager).run()
    assert (again.available, again.removed) == (0, 0)


@pytest.mark.usefixtures("aged")
def test_maintenance_deleted_last_document_does_not_end_the_walk(
    stores: RealStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.manager.maintenance._PAGE", 1)
    for index in range(20):
        stores.number(f"+1415777{index:04}", None, pvt_number_state="deleted")
    report = Maintenance(Manager(stores).manager).run()
    assert (report.removed, states(stores)) == (22, AFTER)


@pytest.mark.usefixtures("aged")
def test_number_taken_before_the_write_keeps_its_state(stores: RealStores) -> None:
    manager = Manager(stores).manager

    class Shard(CouchDatabase):
        """Another client takes the number between the read and the write."""

        def get_latest(self, identifiers: Any) -> Any:
            found = super().get_latest(identifiers)
            if "+14158860002" in identifiers and "pvt_assigned_to" not in self.get("+14158860002"):
                taken = {"pvt_number_state": "in_service", "pvt_assigned_to": CHILD}
                self.put({**self.get("+14158860002"), **taken})
            return found

    class TakenNumbers(CouchServer):
        """Serves such a shard."""

        def database(self, name: str) -> CouchDatabase:
            return Shard(self.client, self.client, name)

    manager._pipeline._reader._databases = TakenNumbers(stores.databases.client)
    report = Maintenance(manager).run()
    assert (report.available, report.removed, report.failed) == (1, 1, {})
    assert states(stores) == AFTER | {"2": "in_service"}


@pytest.mark.usefixtures("aged")
def test_maintenance_uses_the_clusters_expiry_days(stores: RealStores) -> None:
    stores.configure(aging_expiry_d=88, discovery_expiry_d=100)
    assert Maintenance(Manager(stores).manager).run().available == 2
    assert states(stores)["2"] == "discovery"


@pytest.mark.usefixtures("aged")
def test_maintenance_stopped_reports_incomplete(stores: RealStores) -> None:
    report = Maintenance(Manager(stores).manager, must_end=lambda: True).run()
    assert (report.complete, report.numbers) == (False, 0)


@pytest.mark.usefixtures("aged")
def test_command_says_what_it_does(stores: RealStores) -> None:
    flags = ("--couchdb-url", stores.couchdb_url, "--redis-url", stores.redis_url, "--redis-prefix", stores.prefix)
    would = run("maintenance", "--dry-run", *flags)
    assert would.code == 0
    assert "+14158860001: would be available" in would.out
    assert "1 available again, 2 removed, 0 failed" in would.out
    done = run("maintenance", "--json", *flags)
    assert done.code == 0
    *lines, totals = done.json
    assert {(line["number"], line["action"]) for line in lines} == {
        ("+14158860001", "available"),
        ("+14158860002", "removed"),
        ("+12018860003", "removed"),
    }
    assert (totals["available"], totals["removed"], totals["complete"]) == (1, 2, True)
    assert states(stores) == AFTER
    away = run("maintenance", "--couchdb-url", "http://127.0.0.1:1", "--redis-url", stores.redis_url)
    assert away.code == 3
    assert "--couchdb-url" in away.complaint


@pytest.mark.usefixtures("aged")
def test_leading_follower_runs_maintenance_repeatedly(stores: RealStores, start_service: StartService) -> None:
    running = start_service(with_follower=True, maintenance_interval=0.3)
    eventually(lambda: states(stores) == AFTER)
    maintenance = running.service.maintenance
    assert maintenance is not None
    eventually(lambda: maintenance.last is not None and maintenance.last.complete)


@pytest.mark.usefixtures("aged")
def test_maintenance_timer_standby_follower_does_nothing(stores: RealStores, start_service: StartService) -> None:
    first = start_service(with_follower=True, maintenance_interval=0.0)
    first.wait_ready()
    second = start_service(with_follower=True, maintenance_interval=0.05)
    time.sleep(0.5)
    assert second.service.maintenance is not None
    assert second.service.maintenance.last is None
    assert states(stores)["1"] == "aging"
    first.service.follower.stop()  # type: ignore[union-attr]
    eventually(lambda: states(stores) == AFTER)


def test_maintenance_without_databases_is_complete(stores: RealStores) -> None:
    report = Maintenance(Manager(stores).manager).run()
    assert (report.databases, report.complete) == (0, True)
    stores.number(NUMBER)
    assert Maintenance(Manager(stores).manager).run().numbers == 1
