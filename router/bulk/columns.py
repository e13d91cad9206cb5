"""The columns of an import: those of KAZOO's bulk tasks, our own, and what people call them."""

import re
from difflib import get_close_matches

from router.bulk.rows import InvalidFileError
from router.numbers.columns import KAZOO_COLUMNS, RESERVE_HISTORY
from router.numbers.fields import printable

OPAQUE = "opaque."
"""Prefix of a column that sets a custom public field: `opaque.my_field.my_nested_field`."""


EXTRA_COLUMNS = (RESERVE_HISTORY, "carrier_name", "action")
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

_MULTILINE_COLUMNS = frozenset(("account_name", "e911.street_address", "e911.extended_address"))
"""Columns whose cells may span lines, like opaque ones; no other column holds line ends."""


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
