"""The columns of KAZOO's bulk tasks (`kt_numbers`), by its order and names, and a number document as a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.numbers.documents import NumberDocument


@dataclass(frozen=True, slots=True)
class PublicColumn:
    """A column that requests a feature.

    Attributes:
        public: path of the public field.
        feature: the feature whose settings hold the same value, under the last step of `public`.
        flag: the column holds true or false; otherwise text.
    """

    public: tuple[str, ...]
    feature: str
    flag: bool = False


PUBLIC_COLUMNS: Mapping[str, PublicColumn] = {
    "cnam.inbound": PublicColumn(("cnam", "inbound_lookup"), "inbound_cnam", flag=True),
    "cnam.outbound": PublicColumn(("cnam", "display_name"), "outbound_cnam"),
    "e911.locality": PublicColumn(("e911", "locality"), "e911"),
    "e911.name": PublicColumn(("e911", "caller_name"), "e911"),
    "e911.region": PublicColumn(("e911", "region"), "e911"),
    "e911.street_address": PublicColumn(("e911", "street_address"), "e911"),
    "e911.extended_address": PublicColumn(("e911", "extended_address"), "e911"),
    "e911.postal_code": PublicColumn(("e911", "postal_code"), "e911"),
    "prepend.enabled": PublicColumn(("prepend", "enabled"), "prepend", flag=True),
    "prepend.name": PublicColumn(("prepend", "name"), "prepend"),
    "prepend.number": PublicColumn(("prepend", "number"), "prepend"),
    "ringback.early": PublicColumn(("ringback", "early"), "ringback"),
    "ringback.transfer": PublicColumn(("ringback", "transfer"), "ringback"),
    "force_outbound": PublicColumn(("force_outbound",), "force_outbound", flag=True),
    "failover.e164": PublicColumn(("failover", "e164"), "failover"),
    "failover.sip": PublicColumn(("failover", "sip"), "failover"),
}

DOCUMENT_COLUMNS = (
    "e164",
    "account_name",
    "account_id",
    "previously_assigned_to",
    "state",
    "created",
    "modified",
    "used_by",
    "ported_in",
    "carrier_module",
)
"""Columns that aren't public fields. An export writes `account_name` and `modified`; an import ignores them."""

KAZOO_COLUMNS = (*DOCUMENT_COLUMNS, *PUBLIC_COLUMNS)
"""Columns that KAZOO's own tasks write and read."""

RESERVE_HISTORY = "reserve_history"
"""A column of our own: previous owners, latest first."""

EXPORTED_COLUMNS = (*KAZOO_COLUMNS, RESERVE_HISTORY)

ACCOUNT_SEPARATOR = " "
"""Separator between the accounts of `reserve_history`."""


def cells_of(document: NumberDocument, account_name: str) -> list[str]:
    """Return a document as a row under `EXPORTED_COLUMNS`."""
    own = {
        "e164": document.number,
        "account_name": account_name,
        "account_id": document.assigned_to,
        "previously_assigned_to": document.previously_assigned_to,
        "state": document.state,
        "created": document.created,
        "modified": document.modified,
        "used_by": document.used_by,
        "ported_in": document.ported_in or None,
        "carrier_module": document.module_name,
        RESERVE_HISTORY: ACCOUNT_SEPARATOR.join(document.reserve_history),
    }
    return [_cell(own[name] if name in own else _public(document, PUBLIC_COLUMNS[name])) for name in EXPORTED_COLUMNS]


def _public(document: NumberDocument, column: PublicColumn) -> Any:
    """Return the public field's value, else the feature's setting: a field stays although its feature is off."""
    value = _value_at(document.fields, column.public)
    if value is not None:
        return value
    settings = document.features.get(column.feature)
    return settings if len(column.public) == 1 else _value_at({"": settings}, ("", column.public[-1]))


def _value_at(values: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = values
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _cell(value: Any) -> str:
    if value is None or isinstance(value, Mapping | list):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
