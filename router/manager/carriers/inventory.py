"""Carriers whose numbers are a stock in a CouchDB database of their own: `knm_managed`, `knm_inum`."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from router.couch.errors import ConflictError, CouchError, NotFoundError
from router.couch.server import CouchServer
from router.manager.carriers.carrier import CarrierError, CarrierOrder, CarrierSetup
from router.numbers.states import State

MANAGED_DATABASE = "numbers/managed"
INUM_DATABASE = "numbers/inum"

_MAX_ATTEMPTS = 20
"""Against others who write the same document at the same time; each gets through once."""


@dataclass(frozen=True, slots=True)
class CouchInventoryCarrier:
    """Says in the stock's document who has a number; see `Carrier` for what the attributes mean.

    Attributes:
        database: made when first needed, as are the documents.
        returned: the state of a number that came back into stock.
    """

    name: str
    databases: CouchServer
    database: str
    returned_state: State
    is_local: bool = True
    deletes_on_release: bool = False
    only_in_service: bool = False

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Take it out of stock, for its new account."""
        self._record(order, order.number.state, order.number.assigned_to)
        return order.module_data

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Put it back."""
        self._record(order, self.returned_state, None)
        return order.module_data

    def _record(self, order: CarrierOrder, state: str | None, account: str | None) -> None:
        if order.dry_run:
            return
        try:
            for _ in range(_MAX_ATTEMPTS):
                with suppress(ConflictError):
                    self._write(order.number.number, {"pvt_state": state, "pvt_assigned_to": account})
                    return
        except CouchError as problem:
            raise CarrierError(f"{self.database} can't be written: {problem}") from None
        raise CarrierError(f"{order.number.number} in {self.database} is being changed by others all the time")

    def _write(self, number: str, fields: Mapping[str, str | None]) -> None:
        """Change what stands, and keep everything else of it; nothing is written where it says so already."""
        try:
            current = dict(self.databases.database(self.database).get(number))
        except NotFoundError:
            current = {"_id": number, "pvt_type": "number"}
        desired = {**current, **fields, "pvt_module_name": self.name}
        desired = {name: value for name, value in desired.items() if value is not None or name not in fields}
        if desired == current:
            return
        try:
            self.databases.database(self.database).put(desired)
        except NotFoundError:
            with suppress(ConflictError):  # somebody else was first
                self.databases.database(self.database).create()
            self.databases.database(self.database).put(desired)


def managed(setup: CarrierSetup) -> CouchInventoryCarrier:
    """`knm_managed`: the cluster's own stock."""
    return CouchInventoryCarrier(setup.name, setup.databases, MANAGED_DATABASE, State.AVAILABLE)


def inum(setup: CarrierSetup) -> CouchInventoryCarrier:
    """`knm_inum`: iNum numbers."""
    return CouchInventoryCarrier(setup.name, setup.databases, INUM_DATABASE, State.RELEASED)
