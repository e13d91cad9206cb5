"""Carriers with an inventory in a CouchDB database of their own: `knm_managed`, `knm_inum`."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from router.couch.errors import ConflictError, CouchError, NotFoundError
from router.couch.server import CouchServer
from router.manager.carriers.carrier import CarrierError, CarrierOrder, CarrierSetup
from router.numbers.kazoo_databases import INUM_DATABASE, MANAGED_DATABASE
from router.numbers.states import State

_MAX_ATTEMPTS = 20
"""Attempts against concurrent writers of the same document; each attempt lets one of them through."""


@dataclass(frozen=True, slots=True)
class CouchInventoryCarrier:
    """Records a number's owner in the inventory's document; see `Carrier` for the attributes.

    Attributes:
        database: created when first needed, like its documents.
        returned_state: the state of a number that came back into the inventory.
    """

    name: str
    databases: CouchServer
    database: str
    returned_state: State
    is_local: bool = True
    deletes_on_release: bool = False
    only_in_service: bool = False

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Take the number out of the inventory, for its new account."""
        self._record(order, order.number.state, order.number.assigned_to)
        return order.module_data

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Put the number back."""
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
        raise CarrierError(
            f"{order.number.number} in {self.database} is being changed by others all the time: try again"
        )

    def _write(self, number: str, fields: Mapping[str, str | None]) -> None:
        """Update the document, keeping all other fields; an up-to-date document is not written."""
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
            with suppress(ConflictError):  # a concurrent writer created it
                self.databases.database(self.database).create()
            self.databases.database(self.database).put(desired)


def managed(setup: CarrierSetup) -> CouchInventoryCarrier:
    """Return `knm_managed`, the cluster's own inventory."""
    return CouchInventoryCarrier(setup.name, setup.databases, MANAGED_DATABASE, State.AVAILABLE)


def inum(setup: CarrierSetup) -> CouchInventoryCarrier:
    """Return `knm_inum`, the inventory of iNum numbers."""
    return CouchInventoryCarrier(setup.name, setup.databases, INUM_DATABASE, State.RELEASED)
