"""The databases of a CouchDB server, as far as the router reads and writes them.

Source of every behaviour named here: docs/couchdb.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from router.couch.accepted import UnconfirmedError, conflicts_of
from router.couch.client import CouchClient, Document
from router.couch.errors import BadResponseError, ConflictError, NotFoundError, ResponseLost
from router.couch.leaves import Leaf, its_own, leaves_in, winner
from router.couch.sequences import copies_in, number_of

INFO_BATCH_SIZE = 100
"""`_dbs_info` refuses more names."""

_EVERY_COPY = 99
"""Copies to wait for: more than there are, so that each one that answers is heard."""
_EVERY_COPY_TIMEOUT = 2.0
"""Seconds to wait for every copy; a frozen node would be waited for until CouchDB calls it down (72 s in 3.5.0)."""


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """What tells one life of a database from another, and whether it moved.

    Attributes:
        instance: when it was created, in whole seconds; another value is another database.
        copies: how far each copy is that answered (see `router.couch.sequences`); a copy that stands elsewhere than
            before has changed.
        purges: how many purges it has seen; a purge sends no row, so a higher value means: read everything again.
            On a cluster a copy may be behind, so a lower value means nothing.
        documents: how many it holds.
        copies_kept: of each range, on as many nodes (`n`).
        age: seconds since it was created, by the server's own clock; None where it told no time.
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
    """The latest of a document.

    Attributes:
        document: None where there is none now.
        revision: its `_rev`, or its deletion's; empty where there never was one.
    """

    document: Document | None = None
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a changes feed, with the document that won.

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
    """Some rows of a changes feed, in its order."""

    changes: Sequence[Change]
    last_seq: str
    pending: int


@dataclass(frozen=True, slots=True)
class RevisionsPage:
    """Some rows of a changes feed, without documents.

    Attributes:
        revisions: `_id` → the revision that won; empty where the document is deleted.
    """

    revisions: Mapping[str, str]
    last_seq: str


class CouchServer:
    """Reading and writing through one client."""

    def __init__(self, couch: CouchClient) -> None:
        self.client = couch
        self._quick = couch.with_timeout(min(couch.timeout, _EVERY_COPY_TIMEOUT))

    def version(self) -> str:
        """The server's own version; proves that it is a CouchDB, not that the password is right."""
        answer = _mapping(self.client.request("GET", [""]))
        if "couchdb" not in answer:
            raise BadResponseError("the server answers, but not as CouchDB does: check couchdb_url")
        return str(answer.get("version", "unknown"))

    def names(self, prefix: str = "") -> list[str]:
        """Every database whose name begins so."""
        params = {"start_key": _json(prefix), "end_key": _json(prefix + "\ufff0")} if prefix else {}
        answer = self.client.request("GET", ["_all_dbs"], **params)
        if not isinstance(answer, list):
            raise BadResponseError("_all_dbs is not a list")
        return [str(name) for name in answer]

    def info(self, name: str) -> DatabaseInfo:
        """One database.

        Raises:
            NotFoundError: there is none of that name.
        """
        answer = self.client.send("GET", [name])
        return _info(name, _mapping(answer.value), answer.date)

    def infos(self, names: Sequence[str]) -> dict[str, DatabaseInfo | None]:
        """Many databases, None for each that does not exist; at most INFOS_AT_A_TIME."""
        answer = self.client.send("POST", ["_dbs_info"], {"keys": list(names)}, is_read=True)
        if not isinstance(answer.value, list):
            raise BadResponseError("_dbs_info is not a list")
        rows = {str(row.get("key")): row.get("info") for row in answer.value if isinstance(row, dict)}
        return {
            name: _info(name, info, answer.date) if isinstance(info := rows.get(name), dict) else None for name in names
        }

    def document(self, database: str, identifier: str) -> Document:
        """One document.

        Raises:
            NotFoundError: no such document (or database).
        """
        return its_own(_mapping(self.client.request("GET", [database, identifier])), identifier)

    def documents(self, database: str, identifiers: Sequence[str]) -> dict[str, Document | None]:
        """Many documents of one database in one request, None for each that isn't there."""
        return {each: found.document for each, found in self.latest(database, identifiers).items()}

    def latest(self, database: str, identifiers: Sequence[str]) -> dict[str, Latest]:
        """The same, and the revision of each, also of those that were deleted."""
        try:
            answer = self.client.read([database, "_all_docs"], {"keys": list(identifiers)}, include_docs=True)
        except NotFoundError:
            return dict.fromkeys(identifiers, Latest())
        rows = {str(row.get("key")): row for row in _rows(answer)}
        return {each: _latest(each, rows.get(each)) for each in identifiers}

    def standing(self, database: str, identifiers: Sequence[str]) -> dict[str, Document | None]:
        """The same, for whoever acts on a document's absence: None only where the server said that it isn't there.

        Identifiers about which it said neither are left out.

        Raises:
            NotFoundError: there is no such database.
        """
        found: dict[str, Document | None] = {}
        for result in self._leaves(database, identifiers):
            found |= _standing(result)
        return found

    def beside(self, database: str, identifiers: Sequence[str]) -> list[Document]:
        """Documents that stand in conflict behind the winners of these: one comes up when its winner is deleted.

        Raises:
            NotFoundError: there is no such database.
        """
        return [leaf for result in self._leaves(database, identifiers) for leaf in _beside(result)]

    def leaves(self, database: str, identifiers: Sequence[str], *, every_copy: bool = True) -> dict[str, list[Leaf]]:
        """Return every leaf of these documents, with ancestors, as several copies know them together.

        Args:
            every_copy: ask all copies, so that one that is behind does not have the last word, as it may with
                `latest`; where a node stays silent, or without this, a quorum of them.

        Raises:
            NotFoundError: there is no such database.
        """
        results: list[Any] | None = None
        if every_copy:
            with suppress(ResponseLost):
                results = self._leaves(database, identifiers, self._quick, revs=True, r=_EVERY_COPY)
        if results is None:
            results = self._leaves(database, identifiers, revs=True)
        return {identifier: leaves for identifier, leaves, _ in map(leaves_in, results)}

    def _leaves(
        self, database: str, identifiers: Sequence[str], couch: CouchClient | None = None, **params: Any
    ) -> list[Any]:
        """Every leaf of these documents; a third of what _all_docs takes for as many keys."""
        asked = {"docs": [{"id": each} for each in identifiers]}
        answer = (couch or self.client).read([database, "_bulk_get"], asked, **params)
        return _results(_mapping(answer), f"_bulk_get of {database}")

    def all_documents(
        self, database: str, page: int, prefix: str = "", after: str | None = None
    ) -> Iterator[list[Document]]:
        """Every document of a database, a page at a time, in the order of their ids.

        Args:
            page: documents at a time.
            prefix: only ids that begin so.
            after: only ids after this one, whether or not it is there.
        """
        bounds: dict[str, str | int] = {"end_key": _json(prefix + "\ufff0")} if prefix else {}
        start = after
        while True:
            params = bounds | ({"start_key": _json(start or prefix)} if start or prefix else {})
            # The document to begin after may be gone by now: none is skipped unseen.
            wanted = page + (start is not None)
            answer = self.client.request("GET", [database, "_all_docs"], include_docs=True, limit=wanted, **params)
            rows = _rows(answer)
            fresh = [row for row in rows if row.get("id") != start][:page]
            found: list[Document] = [doc for row in fresh if isinstance(doc := row.get("doc"), dict)]
            if found:
                yield found
            if len(rows) < wanted:
                return
            if not fresh or not isinstance(last := fresh[-1].get("id"), str):
                raise BadResponseError(f"_all_docs of {database} does not go on after {start}")
            start = last

    def listed_revisions(self, database: str, page: int) -> Iterator[dict[str, str]]:
        """Yield `_id` → revision of every document, a page at a time, without documents.

        Raises:
            NotFoundError: there is no such database.
        """
        bounds: dict[str, str] = {}
        while True:
            # The page begins with the last id of the one before, which may be deleted by now.
            rows = _rows(self.client.request("GET", [database, "_all_docs"], limit=page, **bounds))
            found = dict(map(_listed_revision, rows))
            yield found
            if len(rows) < page:
                return
            last = rows[-1]["id"]
            if bounds.get("start_key") == _json(last):
                raise BadResponseError(f"_all_docs of {database} does not go on after {last}")
            bounds = {"start_key": _json(last)}

    def identifiers(self, database: str, first: str, most: int) -> list[str]:
        """The ids from `first` on in their order, without documents.

        Raises:
            NotFoundError: there is no such database.
        """
        answer = self.client.request("GET", [database, "_all_docs"], start_key=_json(first), limit=most)
        rows = _mapping(answer).get("rows")
        found = [each["id"] for each in rows] if isinstance(rows, list) and all(map(_has_id, rows)) else None
        # Whoever takes what isn't listed for absent must not be told half of it.
        if found is None or len(found) > most or found != sorted({*found}) or (found and found[0] < first):
            raise BadResponseError(f"_all_docs of {database} doesn't list its ids in their order")
        return found

    def sequence_now(self, database: str) -> str:
        """The sequence after which the changes feed tells all that happens after this.

        Raises:
            NotFoundError: the database does not exist.
        """
        return _sequence(_mapping(self.client.request("GET", [database, "_changes"], since="now", limit=1)), "last_seq")

    def changes(self, database: str, since: str, limit: int) -> ChangesPage:
        """The rows after `since` ("0" for all), with their documents; most rows have no sequence of their own.

        Raises:
            NotFoundError: the database does not exist.
        """
        answer = self._page_of_changes(database, since, limit, include_docs=True)
        changes = [change_of(row, of_page=True) for row in _results(answer, f"_changes of {database}")]
        return ChangesPage(changes, _sequence(answer, "last_seq"), _count(answer, "pending"))

    def revisions_since(self, database: str, since: str, page: int) -> Iterator[RevisionsPage]:
        """What changed after `since`, without documents: a seventh of the cost of reading them.

        Args:
            page: rows at a time.

        Raises:
            NotFoundError: the database does not exist.
        """
        while True:
            answer = self._page_of_changes(database, since, page)
            rows = _results(answer, f"_changes of {database}")
            since = _sequence(answer, "last_seq")
            yield RevisionsPage(dict(map(_revision, rows)), since)
            if len(rows) < page:
                return

    def _page_of_changes(self, database: str, since: str, limit: int, **more: bool) -> Document:
        """Rows without sequences, which would cost as much as the rows, or a quarter of those with documents."""
        path = [database, "_changes"]
        return _mapping(self.client.request("GET", path, since=since, limit=limit, seq_interval=limit, **more))

    def updates_now(self) -> str:
        """The sequence from which a feed of database updates tells all that happens after this.

        Raises:
            NotFoundError: the server has no such feed: its database _global_changes is missing.
        """
        return _sequence(_mapping(self.client.request("GET", ["_db_updates"], since="now", limit=1)), "last_seq")

    def has_updates_after(self, seq: str) -> bool:
        """Whether a feed of database updates that came as far as this has more to tell."""
        return bool(_results(_mapping(self.client.request("GET", ["_db_updates"], since=seq, limit=1)), "_db_updates"))

    def create(self, database: str) -> None:
        """Make a database.

        Raises:
            ConflictError: it exists.
        """
        self.client.request("PUT", [database])

    def drop(self, database: str) -> None:
        """Delete a database with all it holds."""
        self.client.request("DELETE", [database])

    def put(self, database: str, document: Document) -> str:
        """Write a document; its `_rev` must be the current one.

        Returns:
            The new revision.

        Raises:
            ConflictError: somebody else wrote first.
            UnconfirmedError: too few copies took it, and the others can't be asked.
        """
        identifier = str(document["_id"])
        answer = self.client.send("PUT", [database, identifier], dict(document))
        return self._confirmed(database, identifier, _revision_in(answer.value), answer.status)

    def delete(self, database: str, identifier: str, revision: str) -> str:
        """Delete a document of a known revision; returns the tombstone's revision.

        Raises:
            ConflictError, UnconfirmedError: as for `put`.
        """
        answer = self.client.send("DELETE", [database, identifier], rev=revision)
        return self._confirmed(database, identifier, _revision_in(answer.value), answer.status)

    def put_many(self, database: str, documents: Sequence[Document]) -> list[Document]:
        """Write many documents; one row each, with "rev" or "error".

        A row says "accepted" where the document stands, though fewer copies took it than CouchDB wanted; its error
        is "unconfirmed" where that could not be found out.
        """
        rows = self._put_many(database, documents)
        accepted = {str(row.get("id")): str(row.get("rev")) for row in rows if row.get("accepted") is True}
        if not accepted:
            return rows
        try:
            conflicts = self._conflicts_of(database, accepted)
        except UnconfirmedError as problem:
            return [_refused_row(row, "unconfirmed", str(problem)) if row.get("accepted") else row for row in rows]
        return [
            _refused_row(row, "conflict", "Document update conflict.") if row.get("id") in conflicts else row
            for row in rows
        ]

    def _put_many(self, database: str, documents: Sequence[Document]) -> list[Document]:
        answer = self.client.request("POST", [database, "_bulk_docs"], {"docs": list(documents)})
        if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
            raise BadResponseError("_bulk_docs did not answer a list of rows")
        return answer

    def _confirmed(self, database: str, identifier: str, revision: str, status: int) -> str:
        if status == HTTPStatus.ACCEPTED and self._conflicts_of(database, {identifier: revision}):
            raise ConflictError("Document update conflict.")
        return revision

    def _conflicts_of(self, database: str, accepted: Mapping[str, str]) -> set[str]:
        return conflicts_of(
            accepted,
            lambda identifiers: self.leaves(database, identifiers),
            lambda documents: self._put_many(database, documents),
        )


def _refused_row(row: Document, error: str, reason: str) -> Document:
    return {"id": row.get("id"), "error": error, "reason": reason}


def change_of(row: Any, *, of_page: bool = False) -> Change:
    """One feed row, checked: what is made of it moves a checkpoint.

    Args:
        of_page: it may have no sequence, since its page has one.
    """
    identifier, revision = _changed(row)
    document = row.get("doc")
    return Change(
        "" if of_page and row.get("seq") is None else _sequence(row, "seq"),
        identifier,
        revision,
        row.get("deleted") is True,
        its_own(document, identifier) if isinstance(document, dict) else None,
    )


def _revision(row: Any) -> tuple[str, str]:
    """A feed row's document, and the revision that won; empty where it is deleted."""
    identifier, revision = _changed(row)
    return identifier, "" if row.get("deleted") is True else revision


def _changed(row: Any) -> tuple[str, str]:
    """A feed row's document, and the revision that won."""
    try:
        identifier, revision = row["id"], row["changes"][0]["rev"]
    except (KeyError, IndexError, TypeError):
        identifier = revision = None
    if not isinstance(row, dict) or not isinstance(identifier, str) or not isinstance(revision, str):
        raise BadResponseError(f"a changes feed sent a row that is none: {str(row)[:200]}")
    return identifier, revision


def _standing(result: Any) -> dict[str, Document | None]:
    """One result of `_bulk_get`: the revision that wins of all that it lists."""
    identifier, leaves, errors = leaves_in(result)
    if not leaves:
        return {identifier: None} if errors and set(errors) == {"not_found"} else {}
    best = winner(leaves)
    return {identifier: None if best.is_deleted else best.document}


def _beside(result: Any) -> list[Document]:
    """Of one result of `_bulk_get`, what is neither deleted nor the winner."""
    _, leaves, _ = leaves_in(result)
    return [leaf.document for leaf in sorted(leaves, key=_precedence)[:-1] if not leaf.is_deleted]


def _precedence(leaf: Leaf) -> tuple[bool, int, str]:
    return leaf.precedence


def _info(name: str, info: Document, date: float | None) -> DatabaseInfo:
    instance = str(info.get("instance_start_time", ""))
    cluster = info.get("cluster")
    return DatabaseInfo(
        name,
        instance,
        copies_in(str(info.get("update_seq", ""))),
        number_of(str(info.get("purge_seq", ""))),
        _count(info, "doc_count"),
        _count(cluster, "n") if isinstance(cluster, Mapping) else 1,
        date - int(instance) if date is not None and instance.isdecimal() else None,
    )


def _latest(identifier: str, row: Mapping[str, Any] | None) -> Latest:
    """Of one row of `_all_docs`: nothing is taken for absent that CouchDB did not say is."""
    if row is not None and row.get("error") == "not_found":
        return Latest()
    value = row.get("value") if row is not None else None
    if row is None or not isinstance(value, dict) or not isinstance(value.get("rev"), str):
        raise BadResponseError(f"_all_docs did not say what became of {identifier}: {str(row)[:200]}")
    if value.get("deleted") is True:
        return Latest(None, value["rev"])
    return Latest(its_own(row.get("doc"), identifier), value["rev"])


def _listed_revision(row: Mapping[str, Any]) -> tuple[str, str]:
    try:
        return str(row["id"]), str(row["value"]["rev"])
    except (KeyError, TypeError):
        raise BadResponseError(f"_all_docs sent a row that is none: {str(row)[:200]}") from None


def _has_id(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), str)


def _rows(answer: Any) -> list[dict[str, Any]]:
    rows = _mapping(answer).get("rows")
    if not isinstance(rows, list):
        raise BadResponseError("_all_docs has no rows")
    return [row for row in rows if isinstance(row, dict)]


def _results(answer: Document, what: str) -> list[Any]:
    rows = answer.get("results")
    if not isinstance(rows, list):
        raise BadResponseError(f"{what} has no results")
    return rows


def _sequence(answer: Document, name: str) -> str:
    """A sequence: text, or a number in CouchDB 1."""
    value = answer.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise BadResponseError(f"{name} is no sequence: {str(value)[:40]}")
    return str(value)


def _count(answer: Document, name: str) -> int:
    value = answer.get(name)
    if value is not None and type(value) is not int:
        raise BadResponseError(f"{name} is no count: {str(value)[:40]}")
    return value or 0


def _revision_in(answer: Any) -> str:
    revision = _mapping(answer).get("rev")
    if not isinstance(revision, str):
        raise BadResponseError("CouchDB did not say which revision it wrote")
    return revision


def _mapping(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise BadResponseError("CouchDB answered something that isn't an object")
    return answer


def _json(value: str) -> str:
    return orjson.dumps(value).decode()
