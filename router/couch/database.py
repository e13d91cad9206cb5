"""One database of a CouchDB server: its documents, its leaves and its changes.

Source of every behaviour named here: docs/couchdb.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import orjson

from router.couch import responses
from router.couch.accepted import AcceptedWrites, Outcome, UnconfirmedError
from router.couch.client import CouchClient, Document
from router.couch.errors import BadResponseError, ConflictError, NotFoundError, ResponseLost
from router.couch.leaves import Leaf, leaves_in, own_document
from router.couch.nodes import HeldNode
from router.couch.responses import ChangesPage, DatabaseInfo, Latest, RevisionsPage

_ALL_COPIES = 99
"""Copies to wait for: more than there are, so that each copy that answers counts."""


class CouchDatabase:
    """Reads and writes one database.

    Every method raises CouchError, and NotFoundError where the database does not exist, unless it says otherwise.

    Args:
        client: sends the requests.
        quick: a client of the same server with a short timeout, for reads that wait for every copy.
        name: decoded, such as numbers/+1415.
    """

    def __init__(self, client: CouchClient, quick: CouchClient, name: str) -> None:
        self._client = client
        self._quick = quick
        self.name = name

    def info(self) -> DatabaseInfo:
        """Return the state of the database."""
        answer = self._client.send("GET", [self.name])
        return responses.parse_info(self.name, responses.parse_object(answer.value), answer.date)

    def create(self) -> None:
        """Create the database.

        Raises:
            ConflictError: it exists.
        """
        self._client.request("PUT", [self.name])

    def drop(self) -> None:
        """Delete the database with all its documents."""
        self._client.request("DELETE", [self.name])

    def get(self, identifier: str) -> Document:
        """Return a document.

        Raises:
            NotFoundError: the document, or the database, does not exist.
        """
        document = self._client.request("GET", [self.name, identifier])
        return own_document(responses.parse_object(document), identifier)

    def get_many(self, identifiers: Sequence[str]) -> dict[str, Document | None]:
        """Return many documents by one request, None for each that does not exist (or without the database)."""
        return {each: found.document for each, found in self.get_latest(identifiers).items()}

    def get_latest(self, identifiers: Sequence[str]) -> dict[str, Latest]:
        """Return many documents with their revisions, also those of deletions, by one request.

        Without the database, every document is absent.
        """
        try:
            answer = self._client.read([self.name, "_all_docs"], {"keys": list(identifiers)}, include_docs=True)
        except NotFoundError:
            return dict.fromkeys(identifiers, Latest())
        rows = {str(row.get("key")): row for row in responses.parse_rows(answer)}
        return {each: responses.parse_latest(each, rows.get(each)) for each in identifiers}

    def get_latest_of_copies(self, identifiers: Sequence[str], *, every_copy: bool = True) -> dict[str, Latest]:
        """Return many documents with their revisions, by the winning leaves of several copies.

        `get_latest` asks one copy, which may lack what was just written, or still have what was just withdrawn.

        Args:
            every_copy: see `leaves`.
        """
        leaves = self.leaves(identifiers, every_copy=every_copy)
        return {each: responses.latest_of(leaves.get(each, ())) for each in identifiers}

    def get_current(self, identifiers: Sequence[str]) -> dict[str, Document | None]:
        """Return many documents for a caller that acts on their absence.

        Returns:
            None for a document only where the server reported it as absent. A document that was reported neither as
            present nor as absent is left out.
        """
        found: dict[str, Document | None] = {}
        for result in self._bulk_get(self._client, identifiers):
            found |= responses.parse_current(result)
        return found

    def losing_leaves(self, identifiers: Sequence[str]) -> list[Document]:
        """Return the documents in conflict with these winners: one of them shows up when its winner is deleted."""
        results = self._bulk_get(self._client, identifiers)
        return [leaf for result in results for leaf in responses.parse_losing_leaves(result)]

    def leaves(self, identifiers: Sequence[str], *, every_copy: bool = True) -> dict[str, list[Leaf]]:
        """Return every leaf of these documents with its ancestors, merged from several copies.

        Args:
            every_copy: ask all copies, so that a copy that is behind does not decide alone, as it may for
                `get_latest`. A quorum is asked without this, and where a node stays silent.
        """
        results: list[Any] | None = None
        if every_copy:
            with suppress(ResponseLost):
                results = self._bulk_get(self._quick, identifiers, revs=True, r=_ALL_COPIES)
        if results is None:
            results = self._bulk_get(self._client, identifiers, revs=True)
        return {identifier: leaves for identifier, leaves, _ in map(leaves_in, results)}

    def _bulk_get(self, client: CouchClient, identifiers: Sequence[str], **params: Any) -> list[Any]:
        """Read every leaf of these documents; it takes a third of `_all_docs`' time for as many keys."""
        body = {"docs": [{"id": each} for each in identifiers]}
        answer = client.read([self.name, "_bulk_get"], body, **params)
        return responses.parse_results(responses.parse_object(answer), f"_bulk_get of {self.name}")

    def all_documents(self, page: int, prefix: str = "", after: str | None = None) -> Iterator[list[Document]]:
        """Yield every document, a page at a time, in the order of their ids.

        Args:
            page: documents at a time.
            prefix: only ids that begin with it.
            after: only ids after this one, whether or not it exists.
        """
        bounds: dict[str, str | int] = {"end_key": _json(prefix + "\ufff0")} if prefix else {}
        start = after
        while True:
            params = bounds | ({"start_key": _json(start or prefix)} if start or prefix else {})
            # The document to begin after may be deleted by now: none is skipped unseen.
            wanted = page + (start is not None)
            rows = responses.parse_rows(self._all_docs(include_docs=True, limit=wanted, **params))
            fresh = [row for row in rows if row.get("id") != start][:page]
            found: list[Document] = [doc for row in fresh if isinstance(doc := row.get("doc"), dict)]
            if found:
                yield found
            if len(rows) < wanted:
                return
            if not fresh or not isinstance(last := fresh[-1].get("id"), str):
                raise BadResponseError(f"_all_docs of {self.name} does not go on after {start}")
            start = last

    def revisions(self, page: int) -> Iterator[dict[str, str]]:
        """Yield `_id` → revision of every document, a page at a time, without documents."""
        bounds: dict[str, str] = {}
        while True:
            # The page begins with the last id of the one before, which may be deleted by now.
            rows = responses.parse_rows(self._all_docs(limit=page, **bounds))
            found = dict(map(responses.parse_listed_revision, rows))
            yield found
            if len(rows) < page:
                return
            last = rows[-1]["id"]
            if bounds.get("start_key") == _json(last):
                raise BadResponseError(f"_all_docs of {self.name} does not go on after {last}")
            bounds = {"start_key": _json(last)}

    def ids_from(self, first: str, limit: int) -> list[str]:
        """Return at most `limit` ids from `first` on in their order, without documents."""
        found = responses.parse_ids(self._all_docs(start_key=_json(first), limit=limit), first, limit)
        if found is None:
            raise BadResponseError(f"_all_docs of {self.name} doesn't list its ids in their order")
        return found

    def _all_docs(self, **params: Any) -> Any:
        return self._client.request("GET", [self.name, "_all_docs"], **params)

    def current_sequence(self) -> str:
        """Return the sequence after which the changes feed reports everything that happens from now on."""
        answer = self._client.request("GET", [self.name, "_changes"], since="now", limit=1)
        return responses.parse_sequence(responses.parse_object(answer), "last_seq")

    def changes(self, since: str, limit: int) -> ChangesPage:
        """Return the rows after `since` ("0" for all) with their documents; most rows have no sequence of their own."""
        answer = self._changes(since, limit, include_docs=True)
        rows = responses.parse_results(answer, f"_changes of {self.name}")
        changes = [responses.parse_change(row, of_page=True) for row in rows]
        return ChangesPage(
            changes, responses.parse_sequence(answer, "last_seq"), responses.parse_count(answer, "pending")
        )

    def revisions_since(self, since: str, page: int) -> Iterator[RevisionsPage]:
        """Yield the revisions that changed after `since`: a seventh of the cost of reading the documents.

        Args:
            page: rows at a time.
        """
        while True:
            answer = self._changes(since, page)
            rows = responses.parse_results(answer, f"_changes of {self.name}")
            since = responses.parse_sequence(answer, "last_seq")
            yield RevisionsPage(dict(map(responses.parse_changed_revision, rows)), since)
            if len(rows) < page:
                return

    def _changes(self, since: str, limit: int, **more: bool) -> Document:
        """Read rows without sequences, which would cost as much as the rows, or a quarter of rows with documents."""
        path = [self.name, "_changes"]
        answer = self._client.request("GET", path, since=since, limit=limit, seq_interval=limit, **more)
        return responses.parse_object(answer)

    def put(self, document: Document) -> str:
        """Write a document; its `_rev` must be the current one.

        Returns:
            The new revision.

        Raises:
            ConflictError: another writer was first.
            UnconfirmedError: too few copies took it, and the others can't be asked.
        """
        identifier = str(document["_id"])
        answer = self._client.send("PUT", [self.name, identifier], dict(document))
        return self._confirm(document, responses.parse_written_revision(answer.value), answer.status)

    def delete(self, identifier: str, revision: str) -> str:
        """Delete a document of a known revision; returns the tombstone's revision.

        Raises:
            ConflictError, UnconfirmedError: as for `put`.
        """
        answer = self._client.send("DELETE", [self.name, identifier], rev=revision)
        deletion = {"_id": identifier, "_deleted": True}
        return self._confirm(deletion, responses.parse_written_revision(answer.value), answer.status)

    def put_many(self, documents: Sequence[Document]) -> list[Document]:
        """Write many documents; one row each, with "rev" or "error".

        A row has "accepted" where the write holds, though fewer copies took it than CouchDB wanted. It has "withdrawn"
        beside the error "conflict" where copies took the write, and it was withdrawn. Its error is "unconfirmed" where
        that could not be found out.
        """
        rows = self._bulk_docs(documents)
        accepted = {str(row.get("id")): str(row.get("rev")) for row in rows if row.get("accepted") is True}
        if not accepted:
            return rows
        by_id = {str(each["_id"]): each for each in documents}
        try:
            outcomes = self._settle({each: {**by_id[each], "_rev": revision} for each, revision in accepted.items()})
        except UnconfirmedError as problem:
            return [_error_row(row, "unconfirmed", str(problem)) if row.get("accepted") else row for row in rows]
        return [_settled_row(row, outcomes[row["id"]]) if row.get("accepted") else row for row in rows]

    def _bulk_docs(self, documents: Sequence[Document]) -> list[Document]:
        answer = self._client.request("POST", [self.name, "_bulk_docs"], {"docs": list(documents)})
        return responses.parse_written_rows(answer)

    def _confirm(self, document: Document, revision: str, status: int) -> str:
        if status != HTTPStatus.ACCEPTED:
            return revision
        identifier = str(document["_id"])
        outcome = self._settle({identifier: {**document, "_rev": revision}})[identifier]
        if not outcome.revision:
            raise ConflictError("Document update conflict.")
        return outcome.revision

    def _settle(self, accepted: Mapping[str, Document]) -> dict[str, Outcome]:
        """Settle accepted writes; a withdrawal goes to the node whose copies were read, unless it fails meanwhile."""
        node = HeldNode(self._client.nodes)
        held = CouchDatabase(self._client.through(node), self._quick.through(node), self.name)
        return AcceptedWrites(held.leaves, held._bulk_docs).settle(accepted)


def _error_row(row: Document, error: str, reason: str) -> Document:
    return {"id": row.get("id"), "error": error, "reason": reason}


def _settled_row(row: Document, outcome: Outcome) -> Document:
    if not outcome.revision:
        return {**_error_row(row, "conflict", "Document update conflict."), "withdrawn": True}
    settled = {"ok": True, "id": row["id"], "rev": outcome.revision}
    return {**settled, "accepted": True} if outcome.accepted else settled


def _json(value: str) -> str:
    return orjson.dumps(value).decode()
