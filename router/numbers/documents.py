"""Number documents of every generation (KAZOO's Number Document page).

People edit these documents by hand, so reading never raises. An unreadable field is reported as a problem, and is read
in the way that routes least.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.numbers import features, shards, states
from router.numbers.carriers import is_module_name, module_name
from router.numbers.dial_plans import KAZOO, convert
from router.numbers.fields import Fields, Skipped, is_unset, is_visible, shown

__all__ = ["NumberDocument", "Skipped", "not_a_number", "ownership_problem", "read", "routable_id"]

MAX_NUMBER_LENGTH = 256

_MAX_STATE_LENGTH = 64
_OWNER_FIELDS = ("pvt_assigned_to", "pvt_reserve_history")
_LEGACY_MODULE = "wnm_"


@dataclass(frozen=True)  # no slots: changed copies take a fifth of the time (fast_replace)
class NumberDocument:
    """A number document.

    Attributes:
        number: its id, normalised.
        revision: `_rev`; empty for none.
        state: the document's value, even one that KAZOO doesn't know; None for none.
        assigned_to: the account that owns it.
        previously_assigned_to: the last other account that owned it.
        reserve_history: accounts that reserved it, most recent first.
        module_name: its carrier module, by its present name.
        features: feature to settings, see `features.read`.
        ported_in: whether a port request created it.
        used_by: the application that uses it (`pvt_used_by`; the public field does not count).
        authorizing_account: the account that created it, or `system`.
        created: Gregorian seconds.
        modified: Gregorian seconds.
        deleted: `pvt_deleted`.
        dirty: whether KAZOO 5 would write it differently.
        problems: unreadable fields, one line each.
        fields: the document itself, with all foreign fields.
    """

    number: str
    revision: str
    state: str | None
    assigned_to: str | None
    previously_assigned_to: str | None
    reserve_history: tuple[str, ...]
    module_name: str
    features: dict[str, Any]
    ported_in: bool
    used_by: str | None
    authorizing_account: str | None
    created: int | None
    modified: int | None
    deleted: bool
    dirty: bool
    problems: tuple[str, ...]
    fields: Mapping[str, Any]


def routable_id(doc_id: str, database: str) -> str | None:
    """Return why lookups can't reach a document by its id in a database; None where they can.

    Args:
        doc_id: `_id`.
        database: the shard's name, decoded.
    """
    if not doc_id.startswith("+"):
        return f"its id {shown(doc_id)} doesn't begin with '+'"
    if not _is_number(doc_id):
        return f"its id {shown(doc_id)} is not a number"
    home = shards.shard_for(doc_id)
    if home is None:
        return f"its id {shown(doc_id)} is too short to belong to any database"
    if home != database:
        return f"its id {shown(doc_id)} belongs in {home}, not in {shown(database)}"
    return None


def read(doc: object, *, expected_database: str | None = None) -> NumberDocument | Skipped:
    """Read a document of a number database.

    Args:
        doc: CouchDB's JSON object.
        expected_database: the decoded name of the shard that holds it; a document that lookups can't reach there is
            skipped. Without it, an id such as `14158867900` is read as `+14158867900`.

    Returns:
        The number document, or the reason why it is none. Never raises.
    """
    if not isinstance(doc, Mapping):
        return Skipped("not an object")
    doc_id = doc.get("_id")
    reason = not_a_number(doc, doc_id)
    if reason is None and expected_database is not None:
        reason = routable_id(str(doc_id), expected_database)
    if reason is not None:
        return Skipped(reason)
    number, _ = convert(str(doc_id), KAZOO)
    if not _is_number(number):
        return Skipped(f"its id {shown(doc_id)} is not a number")
    return _number_document(number, Fields(doc))


def ownership_problem(document: NumberDocument) -> str | None:
    """Return the problem of an unreadable owner or reserve history; None for none.

    Such a field is read as if it named no account. That is right for a lookup, but not for an operation that assigns
    the number to another account.
    """
    return next((problem for problem in document.problems if problem.startswith(_OWNER_FIELDS)), None)


def not_a_number(doc: Mapping[str, object], doc_id: object) -> str | None:
    """Return why a document can't be a number's, by its id and its `pvt_type`; None where it may be one."""
    if doc.get("_deleted") is True:
        return "deleted"
    if not isinstance(doc_id, str) or not doc_id:
        return f"its id is {shown(doc_id)}"
    if doc_id.startswith("_design/"):
        return "a design document"
    kind = doc.get("pvt_type")
    return None if kind is None or kind == "number" else f"its pvt_type is {shown(kind)}, not 'number'"


def _is_number(number: str) -> bool:
    return 1 < len(number) <= MAX_NUMBER_LENGTH and number.startswith("+") and is_visible(number)


def _number_document(number: str, fields: Fields) -> NumberDocument:
    module = _module(fields)
    found = features.read(fields, module)
    features.treatment(found, fields.problems)
    created, modified = fields.seconds("pvt_created"), fields.seconds("pvt_modified")
    return NumberDocument(
        number=number,
        revision=fields.word("_rev") or "",
        state=_state(fields),
        assigned_to=fields.account("pvt_assigned_to"),
        previously_assigned_to=fields.account("pvt_previously_assigned_to"),
        reserve_history=fields.accounts("pvt_reserve_history"),
        module_name=module,
        features=found,
        ported_in=fields.flag("pvt_ported_in") is True,
        used_by=fields.word("pvt_used_by", _MAX_STATE_LENGTH),
        authorizing_account=fields.account("pvt_authorizing_account"),
        created=created,
        modified=modified,
        deleted=fields.flag("pvt_deleted") is True,
        dirty=created is None or modified is None or _is_older(number, fields, found),
        problems=tuple(fields.problems),
        fields=fields.values,
    )


def _state(fields: Fields) -> str | None:
    """Read `pvt_state`, else the page's `pvt_number_state`; an unreadable value is not replaced by the other field."""
    newer, older = fields.get("pvt_state"), fields.get("pvt_number_state")
    name = "pvt_number_state" if newer is None else "pvt_state"
    state = fields.word(name, _MAX_STATE_LENGTH)
    if newer is not None and older is not None and newer != older:
        fields.problems.append(f"pvt_state is {shown(newer)} and pvt_number_state {shown(older)}: the first counts")
    if state is not None and not states.is_known(state):
        fields.problems.append(f"{name} is {shown(state)}: no state that KAZOO knows")
    return state


def _module(fields: Fields) -> str:
    raw = fields.get("pvt_module_name")
    if raw is not None and not is_module_name(raw):
        fields.problems.append(f"pvt_module_name is {shown(raw)}: it must be a carrier module's name")
    return module_name(raw)


def _is_older(number: str, fields: Fields, found: dict[str, Any]) -> bool:
    """Return whether KAZOO 5 would write another id, state field, module name or feature shape."""
    doc = fields.values
    listed = doc.get(features.FIELD)
    return (
        number != doc.get("_id")
        or (is_unset(doc.get("pvt_state")) and not is_unset(doc.get("pvt_number_state")))
        or str(doc.get("pvt_module_name")).startswith(_LEGACY_MODULE)
        or (isinstance(listed, list) and bool(listed))
        or (isinstance(listed, Mapping) and any(name not in found for name in listed))
    )
