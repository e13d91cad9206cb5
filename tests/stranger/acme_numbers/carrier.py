"""`knm_acme`: orders are files in a folder that Acme's own software looks into."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from router.manager.carriers.carrier import CarrierError, CarrierOrder, CarrierSetup


@dataclass(frozen=True)
class AcmeCarrier:
    """One file for each order, called by the order's key: to order again is to write the same file again."""

    name: str
    folder: Path
    is_local: bool = False
    deletes_on_release: bool = False
    only_in_service: bool = False

    def acquire(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Order the number for its new account."""
        self._write(order, "buy")
        return {**order.module_data, "order": order.key}

    def disconnect(self, order: CarrierOrder) -> Mapping[str, Any]:
        """Order it off."""
        self._write(order, "return")
        return {}

    def _write(self, order: CarrierOrder, verb: str) -> None:
        if order.dry_run:
            return
        what = {"verb": verb, "number": order.number.number, "account": order.number.assigned_to}
        try:
            (self.folder / f"{order.key}.json").write_text(json.dumps(what), "utf-8")
        except OSError as problem:
            raise CarrierError(f"the order can't be written: {problem.strerror}") from None


def make(setup: CarrierSetup) -> AcmeCarrier:
    """What the entry point names."""
    if "folder" not in setup.settings:
        raise ValueError("setting 'carriers.knm_acme.folder' is missing: say where Acme looks for orders")
    return AcmeCarrier(setup.name, Path(setup.settings["folder"]))
