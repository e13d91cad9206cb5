"""The interface of a carrier plug-in; docs/carriers.md has a worked example."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from router.couch.server import CouchServer
from router.lifecycle.policy import CarrierTraits
from router.numbers.documents import NumberDocument


class CarrierError(Exception):
    """The carrier refused or could not be asked; the message carries the carrier's own wording."""


@dataclass(frozen=True, slots=True)
class CarrierOrder:
    """An order to a carrier about one number.

    Attributes:
        key: identical for every repetition of one order. It lets a carrier tell a repetition from a second order:
            buying twice is worse than not buying.
        number: the document as it will be written.
        module_data: the carrier's own data (`pvt_module_data`); nothing else reads or changes it.
        auth_by: id of the calling account, or `system`.
        dry_run: order nothing that costs.
    """

    key: str
    number: NumberDocument
    module_data: Mapping[str, Any] = field(default_factory=dict)
    auth_by: str = "system"
    dry_run: bool = False


class Carrier(CarrierTraits, Protocol):
    """A carrier module: its traits and its operations. One instance serves many threads."""

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Buy or take the number; return the module data to keep.

        Raises:
            CarrierError: the number is not ours.
        """

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Give the number back; return the module data to keep.

        Raises:
            CarrierError: the number may still be ours.
        """


@dataclass(frozen=True, slots=True)
class CarrierSetup:
    """The argument of a carrier's factory. The entry point names a callable that takes it and returns the carrier.

    Attributes:
        name: of the entry point; the carrier's own `name` must equal it.
        settings: its table in the setting `carriers`, empty if there is none. May hold secrets.
        databases: the cluster's CouchDB, for a carrier that keeps an inventory there.
    """

    name: str
    settings: Mapping[str, Any]
    databases: CouchServer
