"""The whole way of a number by carriers and feature providers, its document written to a real database."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.numbers.kazoo_databases import MANAGED_DATABASE
from tests.integration.carrier_server import CarrierServer, carrier_server
from tests.integration.manager_stores import CHILD, MASTER, RESELLER, SHARD, Manager, family
from tests.integration.real_stores import NUMBER, RealStores
from tests.unit.manager.packages import ACME_PLUGIN, on_path

ADDRESS = {"street_address": "140 Geary St.", "locality": "San Francisco", "region": "CA", "postal_code": "94108"}


@pytest.fixture
def server() -> Iterator[CarrierServer]:
    with carrier_server() as made:
        yield made


def stands(stores: RealStores) -> dict[str, Any]:
    return dict(stores.databases.database(SHARD).get(NUMBER))


def test_third_party_plugins_from_reservation_to_release(
    stores: RealStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(monkeypatch, ACME_PLUGIN)
    family(stores)
    folder = {"folder": str(tmp_path)}
    manager = Manager(stores, carriers={"knm_acme": folder}, features={"acme_screening": folder})
    screening = tmp_path / f"{NUMBER}.screening"

    manager.done("create", assign_to=RESELLER, state="reserved", module_name="knm_acme")
    (bought,) = tmp_path.glob("acquire*.json")
    assert json.loads(bought.read_text()) == {"verb": "buy", "number": NUMBER, "account": RESELLER}
    assert stands(stores)["pvt_module_data"] == {"order": bought.stem}

    manager.done("move", auth_by=RESELLER, assign_to=CHILD, public_fields={"screening": {"level": "high"}})
    document = stands(stores)
    assert (document["pvt_features"], screening.read_text()) == (["screening"], "high")
    assert document["screening"]["ticket"].startswith(NUMBER)

    manager.done("release", auth_by=CHILD)
    document = stands(stores)
    assert (document["pvt_number_state"], document["pvt_assigned_to"]) == ("reserved", RESELLER)
    assert (document["pvt_features"], "screening" in document, screening.exists()) == ([], False, False)

    manager.done("release", auth_by=RESELLER)
    (returned,) = tmp_path.glob("disconnect*.json")
    assert json.loads(returned.read_text())["verb"] == "return"
    assert stands(stores)["pvt_number_state"] == "available"


def test_order_of_unknown_outcome_is_found_by_the_next_attempt(stores: RealStores, server: CarrierServer) -> None:
    family(stores)
    quick = {"url": server.url, "retry_backoff": 0.01, "max_attempts": 2}
    manager = Manager(stores, carriers={"knm_other": quick})
    server.script = ["take_and_cut", "down", "down"]
    asked: dict[str, Any] = {"assign_to": CHILD, "state": "reserved", "module_name": "knm_other"}

    refused = manager.ask("create", **asked)
    assert refused.error is not None
    assert "may have been taken" in refused.error.message
    assert SHARD not in stores.databases.names()

    manager.done("create", **asked)
    assert server.sold == [NUMBER]
    data = stands(stores)["pvt_module_data"]
    assert (data["order_id"], data["rate"]) == ("o1", "7")
    assert data["order_key"] in server.orders


def test_managed_number_is_noted_in_its_stock_and_given_back(stores: RealStores) -> None:
    family(stores)
    manager = Manager(stores)

    manager.done("create", assign_to=CHILD, state="reserved", module_name="knm_managed")
    taken = dict(stores.databases.database(MANAGED_DATABASE).get(NUMBER))
    manager.done("move", auth_by=CHILD, assign_to=CHILD, public_fields={"e911": ADDRESS})
    assert stands(stores)["pvt_features"] == ["dash_e911"]
    manager.done("release", auth_by=MASTER)
    back = dict(stores.databases.database(MANAGED_DATABASE).get(NUMBER))

    assert (taken["pvt_state"], taken["pvt_assigned_to"]) == ("reserved", CHILD)
    assert (back["pvt_state"], "pvt_assigned_to" in back) == ("available", False)
    assert (stands(stores)["pvt_number_state"], stands(stores)["pvt_features"]) == ("available", [])
