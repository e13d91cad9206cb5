"""Placeholders for carriers that can't be asked: not installed, or broken."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from router.manager.carriers.carrier import CarrierError, CarrierOrder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnknownCarrier:
    """A module that is not installed: its numbers stay in use, and no order is placed (as in KAZOO)."""

    name: str
    is_local: bool = False
    deletes_on_release: bool = False
    only_in_service: bool = False

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Log a warning and order nothing."""
        log.warning("carrier not installed, nothing ordered: number=%s carrier=%s", order.number.number, self.name)
        return order.module_data

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Log a warning and order nothing."""
        log.warning("carrier not installed, not disconnected: number=%s carrier=%s", order.number.number, self.name)
        return order.module_data


@dataclass(frozen=True, slots=True)
class BrokenCarrier:
    """An installed module that can't be loaded. It refuses: skipping it could lose numbers that are paid for."""

    name: str
    reason: str
    is_local: bool = False
    deletes_on_release: bool = False
    only_in_service: bool = False

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Refuse."""
        self._refuse(order)

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Refuse."""
        self._refuse(order)

    def _refuse(self, order: CarrierOrder) -> NoReturn:
        del order
        raise CarrierError(f"{self.reason} (did-router check lists broken plug-ins)")
