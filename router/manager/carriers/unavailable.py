"""Carriers that can't be asked: those that nobody installed, and those that can't be loaded."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from router.manager.carriers.carrier import CarrierError, CarrierOrder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnknownCarrier:
    """A module that nobody installed: its numbers live on, and nobody is asked or told (KAZOO's way)."""

    name: str
    is_local: bool = False
    deletes_on_release: bool = False
    only_in_service: bool = False

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Buy nothing."""
        log.warning("%s: carrier %s is not installed: nothing was ordered", order.number.number, self.name)
        return order.module_data

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Tell nobody."""
        log.warning("%s: carrier %s is not installed: it was told nothing", order.number.number, self.name)
        return order.module_data


@dataclass(frozen=True, slots=True)
class BrokenCarrier:
    """A module that is installed and can't be loaded: to pass over it could lose numbers that are paid for."""

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
        raise CarrierError(f"{self.reason} (did-router check tells which plug-ins are broken)")
