"""Carriers that ask nobody: the cluster's own numbers, mobile ones, and numbers that are kept in stock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.manager.carriers.carrier import CarrierOrder, CarrierSetup
from router.numbers.carriers import LOCAL, MDN


@dataclass(frozen=True, slots=True)
class NoopCarrier:
    """Nothing is bought and nothing given back; see `Carrier` for what the attributes mean."""

    name: str
    is_local: bool = False
    deletes_on_release: bool = False
    only_in_service: bool = False

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """It is ours already."""
        return order.module_data

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """It stays ours."""
        return order.module_data


def local(setup: CarrierSetup) -> NoopCarrier:
    """`knm_local`: numbers that were made here; a released one is gone."""
    del setup
    return NoopCarrier(LOCAL, is_local=True, deletes_on_release=True)


def mdn(setup: CarrierSetup) -> NoopCarrier:
    """`knm_mdn`: mobile numbers, in service or gone."""
    del setup
    return NoopCarrier(MDN, deletes_on_release=True, only_in_service=True)


def inventory(setup: CarrierSetup) -> NoopCarrier:
    """`knm_inventory`: numbers bought in bulk by other ways, which come back into stock."""
    return NoopCarrier(setup.name)


def reserved(setup: CarrierSetup) -> NoopCarrier:
    """`knm_reserved` and `knm_reserved_reseller`: what an account further up holds for those below it."""
    return NoopCarrier(setup.name, is_local=True)
