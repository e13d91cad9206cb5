"""Carriers are asked before a number is written, and never twice for one ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from router.couch.database import CouchDatabase
from router.couch.errors import CouchUnavailable
from router.couch.server import CouchServer
from router.lifecycle.operations import SYSTEM, Imported, Operation, OperationRequest
from router.manager.carriers.carrier import CarrierError, CarrierOrder
from tests.integration.manager_stores import CHILD, RESELLER, SHARD, STRANGER, Manager, family
from tests.integration.real_stores import NUMBER, RealStores
from tests.integration.relay import Relay

SHOP = "knm_shop"


@dataclass
class Shop:
    """A carrier that keeps its orders, and refuses when told to."""

    name: str = SHOP
    is_local: bool = False
    deletes_on_release: bool = False
    only_in_service: bool = False
    orders: list[tuple[str, str]] = field(default_factory=list)
    refusing: Exception | None = None

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Sell."""
        return self._take("acquire", order)

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Take back."""
        return self._take("disconnect", order)

    def _take(self, verb: str, order: CarrierOrder) -> Mapping[str, Any]:
        if self.refusing is not None:
            raise self.refusing
        self.orders.append((verb, order.key))
        return {**order.module_data, verb: len(self.orders)}


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def manager(stores: RealStores, relay: Relay, shop: Shop) -> Manager:
    family(stores)
    made = Manager(stores)
    made.manager._pipeline._decider._carriers._installed.plugins[SHOP] = shop
    return made


def offered(stores: RealStores, number: str = NUMBER) -> None:
    """The carrier has it: found, not bought."""
    stores.number(number, None, pvt_number_state="discovery", pvt_module_name=SHOP)


def stands(stores: RealStores, number: str = NUMBER) -> dict[str, Any]:
    return dict(stores.databases.database(SHARD).get(number))


def test_number_is_bought_before_service_and_returned_after(stores: RealStores, manager: Manager, shop: Shop) -> None:
    offered(stores)
    assert manager.done("move", assign_to=CHILD)["pvt_module_data"] == {"acquire": 1}
    assert manager.done("release", auth_by=CHILD)["pvt_module_data"] == {"acquire": 1, "disconnect": 2}
    assert [verb for verb, _ in shop.orders] == ["acquire", "disconnect"]
    assert stands(stores)["pvt_number_state"] == "available"


def test_number_with_a_concurrent_edit_is_bought_once(stores: RealStores, manager: Manager, shop: Shop) -> None:
    offered(stores)
    manager.manager._pipeline._reader._databases = _Editor(stores, {"note": "by hand"})
    document = manager.done("move", assign_to=CHILD)
    assert (document["note"], document["pvt_module_data"]) == ("by hand", {"acquire": 1})
    assert len(shop.orders) == 1


def test_carrier_order_with_a_conflict_is_reported(
    stores: RealStores, manager: Manager, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    offered(stores)
    taken = {"pvt_number_state": "in_service", "pvt_assigned_to": STRANGER}
    manager.manager._pipeline._reader._databases = _Editor(stores, taken)
    outcome = manager.ask("move", auth_by=CHILD, assign_to=CHILD)
    assert outcome.error is not None
    assert outcome.error.error == "forbidden"
    [(_, key)] = shop.orders
    assert f"{SHOP} had acquired it already (order {key})" in outcome.error.message
    assert key in caplog.text
    assert stands(stores)["pvt_assigned_to"] == STRANGER


def test_carrier_order_without_a_write_is_reported_and_keeps_its_key(
    stores: RealStores, manager: Manager, relay: Relay, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    offered(stores)
    relay.cut(lambda method, target: "_bulk_docs" in target)
    outcome = manager.ask("move", assign_to=CHILD)
    assert outcome.error is not None
    assert outcome.error.cause == "database_unavailable"
    assert f"{SHOP} had acquired it already (order {shop.orders[0][1]})" in outcome.error.message
    assert shop.orders[0][1] in caplog.text
    assert len(shop.orders) == 1
    relay.cut(lambda *_: False)
    manager.done("move", assign_to=CHILD)
    assert shop.orders[1] == shop.orders[0]


def test_later_order_has_another_key(stores: RealStores, manager: Manager, shop: Shop) -> None:
    for _ in range(3):
        manager.done("create", assign_to=RESELLER, state="reserved", module_name=SHOP)
        manager.ask("delete")
    keys = [key for verb, key in shop.orders if verb == "acquire"]
    assert len(set(keys)) == 3, keys


def test_refusal_is_that_numbers_alone(stores: RealStores, manager: Manager, shop: Shop) -> None:
    offered(stores)
    manager.created("+14158860001")
    before = stands(stores)
    for refusing, arguments in ((CarrierError("sold out"), "sold out"), (KeyError("url"), "KeyError: 'url'")):
        shop.refusing = refusing
        refused, moved = manager.manager.carry_out(
            [
                OperationRequest(Operation.MOVE, NUMBER, SYSTEM, assign_to=CHILD),
                OperationRequest(Operation.MOVE, "+14158860001", SYSTEM, assign_to=RESELLER),
            ]
        )
        assert refused.error is not None
        assert (refused.error.code, refused.error.error) == (500, "unspecified_fault")
        assert refused.error.message == f"fault by carrier {SHOP}: {arguments}"
        assert moved.error is None
    assert stands(stores) == before


def test_dry_run_buys_nothing(stores: RealStores, manager: Manager, shop: Shop) -> None:
    offered(stores)
    assert manager.ask("move", assign_to=CHILD, dry_run=True).error is None
    assert shop.orders == []


def test_carrier_that_is_not_installed_is_tolerated(stores: RealStores, manager: Manager) -> None:
    stores.number(NUMBER, None, pvt_number_state="discovery", pvt_module_name="knm_nobody")
    manager.done("move", assign_to=CHILD)
    assert manager.done("release", auth_by=CHILD)["pvt_number_state"] == "available"


def test_lost_response_is_found_in_the_stored_document(stores: RealStores, manager: Manager, relay: Relay) -> None:
    """A writer that lost the response must not release twice on behalf of one release."""
    manager.created(assign_to=RESELLER, state="reserved", module_name=SHOP)
    manager.done("move", assign_to=CHILD)
    manager.manager._pipeline._writer._databases = _Deaf(manager.manager.databases)
    released = manager.done("release", auth_by=SYSTEM)
    assert (released["pvt_number_state"], released["pvt_assigned_to"]) == ("reserved", RESELLER)
    assert stands(stores)["_rev"].startswith("3-")
    removed = manager.ask("delete")
    assert (removed.error, removed.deleted) == (None, True)


@pytest.mark.parametrize("before", [0, 2])
def test_lost_response_for_a_guessed_number_is_found(stores: RealStores, manager: Manager, before: int) -> None:
    """An import doesn't look first; that the number was deleted once must not make its own number a stranger's."""
    if before:
        manager.created()
        manager.done("delete")
    manager.manager._pipeline._writer._databases = _Unheard(manager.manager.databases)
    manager.done("create", assign_to=CHILD, imported=Imported())
    assert stands(stores)["_rev"].startswith(f"{before + 1}-")
    assert manager.refused("create", assign_to=STRANGER, imported=Imported()) == "number_exists"


class _Editor(CouchServer):
    """Another client edits the document once, just after it was read."""

    def __init__(self, stores: RealStores, fields: Mapping[str, Any]) -> None:
        super().__init__(stores.databases.client)
        self.fields: Mapping[str, Any] | None = fields

    def database(self, name: str) -> CouchDatabase:
        return _EditedDatabase(self, name)


class _EditedDatabase(CouchDatabase):
    def __init__(self, editor: _Editor, name: str) -> None:
        super().__init__(editor.client, editor.client, name)
        self._editor = editor

    def get_latest(self, identifiers: Any) -> Any:
        found = super().get_latest(identifiers)
        if self._editor.fields is not None and self.name == SHARD:
            fields, self._editor.fields = self._editor.fields, None
            self.put({**self.get(NUMBER), **fields})
        return found


class _Deaf(CouchServer):
    """Sends everything twice, as a client does whose connection was cut before the answer came."""

    def __init__(self, databases: CouchServer) -> None:
        super().__init__(databases.client)

    def database(self, name: str) -> CouchDatabase:
        return _TwiceWritten(self.client, self.client, name)


class _TwiceWritten(CouchDatabase):
    def put_many(self, documents: Any) -> Any:
        super().put_many(documents)
        return super().put_many(documents)


class _Unheard(CouchServer):
    """Writes, and the first answer gets lost."""

    def __init__(self, databases: CouchServer) -> None:
        super().__init__(databases.client)
        self.lost = False

    def database(self, name: str) -> CouchDatabase:
        return _UnheardDatabase(self, name)


class _UnheardDatabase(CouchDatabase):
    def __init__(self, server: _Unheard, name: str) -> None:
        super().__init__(server.client, server.client, name)
        self._server = server

    def put_many(self, documents: Any) -> Any:
        answer = super().put_many(documents)
        if not self._server.lost:
            self._server.lost = True
            raise CouchUnavailable("the connection was cut")
        return answer
