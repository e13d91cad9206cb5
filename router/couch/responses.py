"""Parsers of CouchDB's responses. Each one checks the shape, and raises BadResponseError where it is another.

Source of every behaviour named here: docs/couchdb.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router.couch.client import Document
from router.couch.errors import BadResponseError
from router.couch.leaves import Leaf, leaves_in, own_document, winner
from router.couch.sequences import copies_in, number_of


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """State of a database: its identity and how far its copies are.

    Attributes:
        instance: creation time in whole seconds; another value means another database.
        copies: position of each copy that answered (see `router.couch.sequences`); a copy at another position than
            before has changed.
        purges: number of purges. A purge sends no row, so a higher value means that everything has to be read again.
            On a cluster a copy may be behind, so a lower value means nothing.
        documents: number of documents.
        copies_kept: copies of each range, on as many nodes (`n`).
        age: seconds since its creation by the server's own clock; None where the response had no date.
    """

    name: str
    instance: str
    copies: Mapping[str, str]
    purges: int
    documents: int
    copies_kept: int = 1
    age: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest revision of a document.

    Attributes:
        document: None where the document is missing or deleted.
        revision: its `_rev`, or its deletion's; empty where the document never existed.
    """

    document: Document | None = None
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a changes feed, with the winning document.

    Attributes:
        seq: empty where the feed was asked to leave it out.
    """

    seq: str
    id: str
    revision: str
    deleted: bool
    document: Document | None


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """Rows of a changes feed, in its order."""

    changes: Sequence[Change]
    last_seq: str
    pending: int


@dataclass(frozen=True, slots=True)
class RevisionsPage:
    """Rows of a changes feed, without documents.

    Attributes:
        revisions: `_id` → the winning revision; empty where the document is deleted.
    """

    revisions: Mapping[str, str]
    last_seq: str


def parse_object(answer: Any) -> dict[str, Any]:
    """Return a response that is a JSON object."""
    if not isinstance(answer, dict):
        raise BadResponseError("CouchDB answered something that isn't an object")
    return answer


def parse_info(name: str, info: Document, date: float | None) -> DatabaseInfo:
    """Parse the information of one database.

    Args:
        date: the server's clock in Unix seconds when it answered; None where it is unknown.
    """
    instance = str(info.get("instance_start_time", ""))
    cluster = info.get("cluster")
    return DatabaseInfo(
        name,
        instance,
        copies_in(str(info.get("update_seq", ""))),
        number_of(str(info.get("purge_seq", ""))),
        parse_count(info, "doc_count"),
        parse_count(cluster, "n") if isinstance(cluster, Mapping) else 1,
        date - int(instance) if date is not None and instance.isdecimal() else None,
    )


def parse_infos(answer: Any, names: Sequence[str], date: float | None) -> dict[str, DatabaseInfo | None]:
    """Parse `_dbs_info`: None for each database that does not exist."""
    if not isinstance(answer, list):
        raise BadResponseError("_dbs_info is not a list")
    rows = {str(row.get("key")): row.get("info") for row in answer if isinstance(row, dict)}
    return {name: parse_info(name, info, date) if isinstance(info := rows.get(name), dict) else None for name in names}


def parse_change(row: Any, *, of_page: bool = False) -> Change:
    """Parse one row of a changes feed. The row moves a checkpoint, so all of it is checked.

    Args:
        of_page: the row may lack a sequence, since its page has one.
    """
    identifier, revision = _id_and_revision(row)
    document = row.get("doc")
    return Change(
        "" if of_page and row.get("seq") is None else parse_sequence(row, "seq"),
        identifier,
        revision,
        row.get("deleted") is True,
        own_document(document, identifier) if isinstance(document, dict) else None,
    )


def parse_changed_revision(row: Any) -> tuple[str, str]:
    """Return the document of a feed's row and its winning revision; empty where the document is deleted."""
    identifier, revision = _id_and_revision(row)
    return identifier, "" if row.get("deleted") is True else revision


def _id_and_revision(row: Any) -> tuple[str, str]:
    try:
        identifier, revision = row["id"], row["changes"][0]["rev"]
    except (KeyError, IndexError, TypeError):
        identifier = revision = None
    if not isinstance(row, dict) or not isinstance(identifier, str) or not isinstance(revision, str):
        raise BadResponseError(f"a changes feed sent a row that is none: {str(row)[:200]}")
    return identifier, revision


def parse_current(result: Any) -> dict[str, Document | None]:
    """Parse one result of `_bulk_get`: the winner of all listed leaves, None for an absent document."""
    identifier, leaves, errors = leaves_in(result)
    if not leaves:
        return {identifier: None} if errors and set(errors) == {"not_found"} else {}
    best = winner(leaves)
    return {identifier: None if best.is_deleted else best.document}


def parse_losing_leaves(result: Any) -> list[Document]:
    """Parse one result of `_bulk_get`: the leaves that are neither deleted nor the winner."""
    _, leaves, _ = leaves_in(result)
    ordered = sorted(leaves, key=lambda leaf: leaf.precedence)
    return [leaf.document for leaf in ordered[:-1] if not leaf.is_deleted]


def parse_latest(identifier: str, row: Mapping[str, Any] | None) -> Latest:
    """Parse one row of `_all_docs`. A document counts as absent only where CouchDB reports it as absent."""
    if row is not None and row.get("error") == "not_found":
        return Latest()
    value = row.get("value") if row is not None else None
    if row is None or not isinstance(value, dict) or not isinstance(value.get("rev"), str):
        raise BadResponseError(f"_all_docs did not say what became of {identifier}: {str(row)[:200]}")
    if value.get("deleted") is True:
        return Latest(None, value["rev"])
    return Latest(own_document(row.get("doc"), identifier), value["rev"])


def latest_of(leaves: Collection[Leaf]) -> Latest:
    """Return the document that CouchDB serves of these leaves, or its deletion."""
    if not leaves:
        return Latest()
    best = winner(leaves)
    return Latest(None if best.is_deleted else best.document, best.revision)


def parse_listed_revision(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return `_id` and revision of one row of `_all_docs`."""
    try:
        return str(row["id"]), str(row["value"]["rev"])
    except (KeyError, TypeError):
        raise BadResponseError(f"_all_docs sent a row that is none: {str(row)[:200]}") from None


def parse_ids(answer: Any, first: str, limit: int) -> list[str] | None:
    """Return the ids that `_all_docs` lists from `first` on; None where the list is not complete and ordered.

    The caller takes an id that is not listed for absent, so half a list must not pass.
    """
    rows = parse_object(answer).get("rows")
    found = [each["id"] for each in rows] if isinstance(rows, list) and all(map(_has_id, rows)) else None
    if found is None or len(found) > limit or found != sorted({*found}) or (found and found[0] < first):
        return None
    return found


def _has_id(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), str)


def parse_rows(answer: Any) -> list[dict[str, Any]]:
    """Return the rows of `_all_docs`."""
    rows = parse_object(answer).get("rows")
    if not isinstance(rows, list):
        raise BadResponseError("_all_docs has no rows")
    return [row for row in rows if isinstance(row, dict)]


def parse_results(answer: Document, source: str) -> list[Any]:
    """Return the results of a feed or of `_bulk_get`, which errors name by `source`."""
    rows = answer.get("results")
    if not isinstance(rows, list):
        raise BadResponseError(f"{source} has no results")
    return rows


def parse_sequence(answer: Document, name: str) -> str:
    """Return a sequence: text, or a number in CouchDB 1."""
    value = answer.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise BadResponseError(f"{name} is no sequence: {str(value)[:40]}")
    return str(value)


def parse_count(answer: Document, name: str) -> int:
    """Return a count; 0 where it is missing."""
    value = answer.get(name)
    if value is not None and type(value) is not int:
        raise BadResponseError(f"{name} is no count: {str(value)[:40]}")
    return value or 0


def parse_written_revision(answer: Any) -> str:
    """Return the revision that a write made."""
    revision = parse_object(answer).get("rev")
    if not isinstance(revision, str):
        raise BadResponseError("CouchDB did not say which revision it wrote")
    return revision


def parse_written_rows(answer: Any) -> list[Document]:
    """Return the rows of `_bulk_docs`."""
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise BadResponseError("_bulk_docs did not answer a list of rows")
    return answer
