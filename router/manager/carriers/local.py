"""Carriers without an upstream: the cluster's own numbers, mobile numbers, and numbers held in stock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.manager.carriers.carrier import CarrierOrder, CarrierSetup
from router.numbers.carriers import LOCAL, MDN


@dataclass(frozen=True, slots=True)
class NoopCarrier:
    """A carrier that buys nothing and gives nothing back; see `Carrier` for the attributes."""

    name: str
    is_local: bool = False
    deletes_on_release: bool = False
    only_in_service: bool = False

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Return the module data unchanged: the number is ours already."""
        return order.module_data

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Return the module data unchanged: the number stays ours."""
        return order.module_data


def local(setup: CarrierSetup) -> NoopCarrier:
    """Return `knm_local`: numbers made in this cluster; a released one is deleted."""
    del setup
    return NoopCarrier(LOCAL, is_local=True, deletes_on_release=True)


def mdn(setup: CarrierSetup) -> NoopCarrier:
    """Return `knm_mdn`: mobile numbers, either in service or deleted."""
    del setup
    return NoopCarrier(MDN, deletes_on_release=True, only_in_service=True)


def inventory(setup: CarrierSetup) -> NoopCarrier:
    """Return `knm_inventory`: numbers bought in bulk elsewhere, which return to stock."""
    return NoopCarrier(setup.name)


def reserved(setup: CarrierSetup) -> NoopCarrier:
    """Return `knm_reserved` or `knm_reserved_reseller`: numbers that an ancestor account holds for its descendants."""
    return NoopCarrier(setup.name, is_local=True)
