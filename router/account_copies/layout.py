"""Layout of an account's copies, decided from the number document alone; no I/O.

KAZOO had two formats, one after the other: a document `phone_numbers` that lists every number of the account with a
summary, and a full number document each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from router.numbers.documents import NumberDocument, ownership_problem, read
from router.numbers.fast_replace import fast_replace
from router.numbers.features import FIELD as FEATURES
from router.numbers.fields import Skipped, is_unset
from router.numbers.shards import shard_for
from router.numbers.states import State, is_known

_LISTED = frozenset((State.RESERVED, State.IN_SERVICE, State.PORT_IN, State.PORT_OUT))
"""States in which an account lists a number that is assigned to it."""

_SUMMARY = ("state", "features", "assigned_to", "used_by", "created", "updated")


class Kind(StrEnum):
    """The way in which a copy differs from its number document."""

    MISSING = "missing"
    DIFFERENT = "different"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class NumberSnapshot:
    """A number's state in its own database at one time.

    Attributes:
        document: None without a readable document.
        revision: the document's, readable or not; empty without one.
        certain: the database answered, and a document can be read and names its account. A copy is removed only then:
            not when the document, or its whole database, couldn't be read.
    """

    number: str
    document: NumberDocument | None
    revision: str
    certain: bool

    @property
    def exists(self) -> bool:
        """Return whether a document exists, readable or not."""
        return bool(self.revision)


def unknown_snapshot(number: str) -> NumberSnapshot:
    """Return the snapshot of a number whose database does not exist."""
    return NumberSnapshot(number, None, "", certain=False)


def snapshot_of(number: str, raw: Mapping[str, Any] | None) -> NumberSnapshot:
    """Return the snapshot of a number by its raw document; None where the database reported it as absent."""
    if raw is None:
        return NumberSnapshot(number, None, "", certain=True)
    revision = str(raw.get("_rev", ""))
    document = read(raw, expected_database=shard_for(number))
    if isinstance(document, Skipped):
        return NumberSnapshot(number, None, revision, certain=False)
    return NumberSnapshot(number, document, revision, certain=_is_certain(document))


def snapshot_of_document(document: NumberDocument) -> NumberSnapshot:
    """Return the snapshot of a number by its current document."""
    return NumberSnapshot(document.number, document, document.revision, certain=_is_certain(document))


def listed_fields(document: NumberDocument) -> NumberDocument:
    """Return a document reduced to the fields of its entry in a `phone_numbers` document: a third of its memory."""
    fields = {FEATURES: document.fields[FEATURES]} if FEATURES in document.fields else {}
    return fast_replace(document, fields=fields, features={"local": {}} if "local" in document.features else {})


def affected_accounts(document: NumberDocument | None) -> frozenset[str]:
    """Return the accounts whose copies depend on a document: its present, its former and its reserving accounts."""
    if document is None:
        return frozenset()
    named = (document.assigned_to, document.previously_assigned_to, *document.reserve_history)
    return frozenset(account for account in named if account)


def listing_accounts(document: NumberDocument | None) -> frozenset[str]:
    """Return the accounts whose `phone_numbers` document lists the number.

    These are all accounts in the reserve history, so that a parent sees the number that a child uses, and the assignee
    in a state of use.
    """
    if document is None or document.deleted:
        return frozenset()
    accounts = set(document.reserve_history)
    if document.assigned_to and document.state in _LISTED:
        accounts.add(document.assigned_to)
    return frozenset(accounts)


def owning_accounts(document: NumberDocument | None) -> frozenset[str]:
    """Return the accounts that hold a full copy: the assignee alone, in any state."""
    if document is None or document.deleted or not document.assigned_to:
        return frozenset()
    return frozenset((document.assigned_to,))


def summary(document: NumberDocument) -> dict[str, Any]:
    """Return the number's entry in a `phone_numbers` document."""
    fields = {
        "state": document.state,
        "features": _feature_names(document),
        "assigned_to": document.assigned_to,
        "used_by": document.used_by or "",
        "created": document.created,
        "updated": document.modified,
    }
    return {name: value for name, value in fields.items() if value is not None}


def merge_summary(held: object, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with the wanted summary; fields that other writers added to it stay."""
    kept = held if isinstance(held, Mapping) else {}
    return {name: value for name, value in kept.items() if name not in _SUMMARY} | dict(wanted)


def comparable(held: object) -> object:
    """Return the part of a `phone_numbers` entry that a comparison counts."""
    if not isinstance(held, Mapping):
        return held
    fields = {name: held[name] for name in _SUMMARY if not is_unset(held.get(name))}
    if isinstance(features := fields.get("features"), list):
        fields["features"] = sorted(map(str, features))
    return fields


def copied_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a full copy: all but CouchDB's own, which belong to the document's own database."""
    return {name: value for name, value in document.items() if not name.startswith("_")}


def _feature_names(document: NumberDocument) -> list[str]:
    """Return the names as the document spells them (an older UI knows `dash_e911`, not `e911`), and `local`."""
    listed = document.fields.get(FEATURES)
    spelled = [name for name in listed if isinstance(name, str)] if isinstance(listed, list | dict) else []
    return spelled + [name for name in document.features if name == "local" and name not in spelled]


def _is_certain(document: NumberDocument) -> bool:
    if document.deleted:
        return True
    if document.state is None or not is_known(document.state):
        return False
    return ownership_problem(document) is None
