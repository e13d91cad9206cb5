"""The columns of KAZOO's bulk tasks (`kt_numbers`), in its order and under its names, and their meaning here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from router.bulk.rows import InvalidFileError
from router.numbers.documents import NumberDocument
from router.numbers.fields import printable

OPAQUE = "opaque."
"""Prefix of a column that sets a custom public field: `opaque.my_field.my_nested_field`."""


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

EXTRA_COLUMNS = ("reserve_history", "carrier_name", "action")
"""Columns of our own: previous owners, latest first, separated by spaces; a new carrier module; the row's operation."""

_ALIASES = {
    **dict.fromkeys(("number", "numbers", "did", "dids", "phone", "phonenumber", "tn", "msisdn", "telephone"), "e164"),
    **dict.fromkeys(("account", "accountid", "owner", "assignedto", "assignto", "customer"), "account_id"),
    **dict.fromkeys(("status", "numberstate"), "state"),
    **dict.fromkeys(("carrier", "module", "modulename"), "carrier_module"),
    **dict.fromkeys(("app", "application", "usedby"), "used_by"),
    **dict.fromkeys(("operation", "do"), "action"),
}
"""Common names for a column, letters only → its name here."""

_NO_LETTER = re.compile(r"[^a-z]")
_KNOWN = f" Known: {', '.join((*KAZOO_COLUMNS, *EXTRA_COLUMNS))}, opaque.…"

EXPORTED_COLUMNS = (*KAZOO_COLUMNS, "reserve_history")

_MULTILINE_COLUMNS = frozenset(("account_name", "e911.street_address", "e911.extended_address"))
"""Columns whose cells may span lines, like opaque ones; no other column holds line ends."""

ACCOUNT_SEPARATOR = " "
"""Separator between the accounts of `reserve_history`."""


def validated_columns(header: list[str]) -> list[str]:
    """Return a file's column names as they are called here.

    Raises:
        InvalidFileError: a column is unknown, unnamed or there twice, or the number's column is missing.
    """
    names: list[str] = []
    for position, written in enumerate(header, 1):
        names.append(_known(written.strip(), position, names))
    if "e164" not in names:
        raise InvalidFileError("there is no column e164, and it holds the number")
    return names


def may_span_lines(name: str) -> bool:
    """Return whether a cell of this column may hold line ends."""
    return name in _MULTILINE_COLUMNS or name.startswith(OPAQUE)


def _known(written: str, position: int, before: list[str]) -> str:
    name = _opaque(written) if written.lower().startswith(OPAQUE) else written.lower()
    if not name:
        raise InvalidFileError(f"column {position} has no name: name it, or take it out")
    if name in before:
        raise InvalidFileError(f"column {printable(name)} is there twice: take one out")
    if name.startswith(OPAQUE):
        if not all(name.split(".")) or name.startswith((f"{OPAQUE}pvt_", f"{OPAQUE}_")):
            raise InvalidFileError(
                f"column {printable(name)}: write opaque.my_field or opaque.my_field.my_nested_field"
            )
        return name
    if name in KAZOO_COLUMNS or name in EXTRA_COLUMNS:
        return name
    if (alias := _ALIASES.get(_NO_LETTER.sub("", name))) is not None and alias not in before:
        raise InvalidFileError(f"unknown column '{printable(written)}': did you mean {alias}?{_KNOWN}")
    close = get_close_matches(name, (*KAZOO_COLUMNS, *EXTRA_COLUMNS), n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else "a public field of your own is called opaque.NAME"
    raise InvalidFileError(f"unknown column '{printable(written)}': {hint}{_KNOWN}")


def _opaque(written: str) -> str:
    """Return an opaque column's name; the custom field keeps its spelling."""
    return OPAQUE + ".".join(step.strip() for step in written[len(OPAQUE) :].split("."))


def cells_of(document: NumberDocument, account_name: str) -> list[str]:
    """Return a document as a row under EXPORTED."""
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
        "reserve_history": ACCOUNT_SEPARATOR.join(document.reserve_history),
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
