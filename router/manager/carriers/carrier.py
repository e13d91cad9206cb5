"""What a carrier is: the interface that plug-ins implement (docs/carriers.md has a worked example)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from router.couch.server import CouchServer
from router.lifecycle.policy import CarrierTraits
from router.numbers.documents import NumberDocument


class CarrierError(Exception):
    """The carrier refused or could not be asked; the message is in the carrier's own words."""


@dataclass(frozen=True, slots=True)
class CarrierOrder:
    """What a carrier is told of a number.

    Attributes:
        key: the same for every repetition of one order, so that a carrier can tell a repetition from a second
            order: buying twice is worse than not at all.
        number: the document as it shall be.
        module_data: the carrier's own (`pvt_module_data`), which nobody else reads or changes.
        auth_by: who asked.
        dry_run: ask for nothing that costs.
    """

    key: str
    number: NumberDocument
    module_data: Mapping[str, Any] = field(default_factory=dict)
    auth_by: str = "system"
    dry_run: bool = False


class Carrier(CarrierTraits, Protocol):
    """A carrier module: its traits, and what it can be asked; made once, used by many threads."""

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Buy or take the number; returns the module data to keep.

        Raises:
            CarrierError: it is not ours now.
        """

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Give the number back; returns the module data to keep.

        Raises:
            CarrierError: it may still be ours.
        """


@dataclass(frozen=True, slots=True)
class CarrierSetup:
    """What a carrier is made from: its entry point names something that takes this and returns the carrier.

    Attributes:
        name: of its entry point, which must be the carrier's own name.
        settings: its table in the setting `carriers`; empty where there is none. May hold secrets.
        databases: the cluster's CouchDB, for a carrier that keeps an inventory there.
    """

    name: str
    settings: Mapping[str, Any]
    databases: CouchServer
