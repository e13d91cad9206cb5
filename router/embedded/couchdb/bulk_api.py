"""Requests for many documents at once: `_bulk_docs`, `_bulk_get`, `_purge`."""

import uuid
from typing import Any

import orjson

from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.documents import render, revisions
from router.embedded.couchdb.drafts import check_sizes, read_draft
from router.embedded.couchdb.errors import bad_request, method_not_allowed
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.revisions import parse_revision
from router.embedded.couchdb.wire import Request, Responder

_MAX_PURGES = 100
_CONFLICT = {"error": "conflict", "reason": "Document update conflict."}


def bulk_docs(node: Node, database: Database, request: Request, out: Responder) -> None:
    """`POST /{db}/_bulk_docs`: one transaction, one row a document (only failures with `new_edits: false`)."""
    _require_post(request)
    fields = request.json_object()
    if "docs" not in fields:
        raise bad_request("POST body must include `docs` parameter.")
    if not isinstance(fields["docs"], list):
        raise bad_request("`docs` parameter must be an array.")
    new_edits = fields.get("new_edits", True)
    if not isinstance(new_edits, bool):
        raise bad_request("`new_edits` parameter must be a boolean.")
    drafts = [read_draft(document) for document in fields["docs"]]
    check_sizes(request.body, drafts)
    for draft in drafts:
        draft.id = draft.id or uuid.uuid4().hex
        if draft.revision is None and not new_edits:
            raise bad_request("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")
    outcomes, accepted = node.write(database, drafts, replicated=not new_edits, quorum=_write_quorum(request, fields))
    status = 202 if accepted else 201
    if not new_edits:
        out.json(status, [])
        return
    rows: list[dict[str, Any]] = [
        {"ok": True, "id": draft.id, "rev": str(revision)} if revision else {"id": draft.id, **_CONFLICT}
        for draft, revision in zip(drafts, outcomes, strict=True)
    ]
    for position in accepted:
        rows[position]["accepted"] = True
    out.json(status, rows)


def _write_quorum(request: Request, fields: dict[str, Any]) -> int | None:
    wanted = fields.get("w")
    return wanted if isinstance(wanted, int) else request.quorum("w")


def bulk_get(node: Node, database: Database, request: Request, out: Responder) -> None:
    """`POST /{db}/_bulk_get`: each requested document, in one revision or in all its leaves."""
    _require_post(request)
    asked = request.json_object().get("docs")
    if not isinstance(asked, list):
        raise bad_request("Missing JSON list of 'docs'.")
    has_history, quorum = request.query.get("revs") == "true", request.quorum("r") if request.query else None
    results = [_bulk_get_one(node, database, item, quorum, has_history=has_history) for item in asked]
    out.send(200, b'{"results":[' + b",".join(results) + b"]}\n")


def _bulk_get_one(node: Node, database: Database, item: Any, quorum: int | None, *, has_history: bool) -> bytes:
    identity = item.get("id") if isinstance(item, dict) else None
    if not isinstance(identity, str):
        return orjson.dumps(
            {"id": None, "docs": [_missing_row(None, "undefined", "bad_request", "document id missed")]}
        )
    leaves = node.all_leaves(database, identity, quorum)
    wanted = item.get("rev")
    if wanted is not None:
        leaves = [leaf for leaf in leaves if leaf.revision == parse_revision(wanted)]
    documents = (render(identity, leaf, revisions(leaf) if has_history else b"") for leaf in leaves)
    found = b",".join(b'{"ok":' + document + b"}" for document in documents)
    if not found:
        found = orjson.dumps(_missing_row(identity, wanted or "undefined", "not_found", "missing"))
    return b'{"id":%b,"docs":[%b]}' % (orjson.dumps(identity), found)


def _missing_row(identity: str | None, revision: str, error: str, reason: str) -> dict[str, Any]:
    return {"error": {"rev": revision, "reason": reason, "id": identity, "error": error}}


def purge_documents(node: Node, database: Database, request: Request, out: Responder) -> None:
    """`POST /{db}/_purge`: remove revisions; no feed has a row for it."""
    _require_post(request)
    asked = request.json_object()
    if len(asked) > _MAX_PURGES:
        raise bad_request("Exceeded maximum number of documents.")
    if not all(isinstance(revisions, list) for revisions in asked.values()):
        raise bad_request("Invalid list of revisions")
    requests = {identity: [parse_revision(text) for text in revisions] for identity, revisions in asked.items()}
    done, accepted = node.purge(database, requests)
    purged = {identity: [str(revision) for revision in revisions] for identity, revisions in done.items()}
    out.json(202 if accepted else 201, {"purge_seq": None, "purged": purged})


def _require_post(request: Request) -> None:
    if request.verb != "POST":
        raise method_not_allowed("POST")
