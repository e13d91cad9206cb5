"""Number documents of every generation (KAZOO's Number Document page), as they come.

People edit these by hand: nothing in one makes a reader raise. What can't be read is a problem,
told in words, and is read in the way that routes least.
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

_LONGEST_STATE = 64
_HOLDERS = ("pvt_assigned_to", "pvt_reserve_history")
_LEGACY_MODULE = "wnm_"


@dataclass(frozen=True)  # without slots: copies with changes take a fifth of the time (router.numbers.fast_replace)
class NumberDocument:
    """A number document.

    Attributes:
        number: its id, normalised.
        revision: `_rev`; empty when it has none.
        state: as the document has it, even one that KAZOO doesn't know; None when there is none.
        assigned_to: the account that owns it.
        previously_assigned_to: the last other account that owned it.
        reserve_history: accounts that reserved it, most recent first.
        module_name: its carrier module, by its present name.
        features: feature to settings, see `features.read`.
        ported_in: it was created by a port request.
        used_by: the application that uses it (`pvt_used_by`; the public field tells nothing).
        authorizing_account: the account that created it, or `system`.
        created: Gregorian seconds.
        modified: Gregorian seconds.
        deleted: `pvt_deleted`.
        dirty: it is written in an older way than KAZOO 5 would write it.
        problems: what couldn't be read, a clear line each.
        fields: the document itself, with everything that isn't ours.
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
    """Why a lookup can't reach a document by this id in this database; None when it can.

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
        doc: the JSON object as CouchDB gives it.
        expected_database: the shard it was found in, decoded: a document that a lookup can't reach
            there is skipped. Without it, an id such as `14158867900` is read as `+14158867900`.

    Returns:
        The number document, or why it is none. Never raises.
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
    """What can't be read of who has the number, or reserved it; None where all of it can.

    Such a field is read as if nobody were named, which is right for a lookup, and for nothing that gives the number
    to somebody else.
    """
    return next((problem for problem in document.problems if problem.startswith(_HOLDERS)), None)


def not_a_number(doc: Mapping[str, object], doc_id: object) -> str | None:
    """Why a document is no number's by its id and its `pvt_type`; None when it may be one."""
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
        used_by=fields.word("pvt_used_by", _LONGEST_STATE),
        authorizing_account=fields.account("pvt_authorizing_account"),
        created=created,
        modified=modified,
        deleted=fields.flag("pvt_deleted") is True,
        dirty=created is None or modified is None or _is_older(number, fields, found),
        problems=tuple(fields.problems),
        fields=fields.values,
    )


def _state(fields: Fields) -> str | None:
    """`pvt_state`, else the page's `pvt_number_state`; a present but unreadable one isn't passed over."""
    newer, older = fields.get("pvt_state"), fields.get("pvt_number_state")
    name = "pvt_number_state" if newer is None else "pvt_state"
    state = fields.word(name, _LONGEST_STATE)
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
    """Whether KAZOO 5 would write another id, state field, module name or feature shape."""
    doc = fields.values
    listed = doc.get(features.FIELD)
    return (
        number != doc.get("_id")
        or (is_unset(doc.get("pvt_state")) and not is_unset(doc.get("pvt_number_state")))
        or str(doc.get("pvt_module_name")).startswith(_LEGACY_MODULE)
        or (isinstance(listed, list) and bool(listed))
        or (isinstance(listed, Mapping) and any(name not in found for name in listed))
    )
