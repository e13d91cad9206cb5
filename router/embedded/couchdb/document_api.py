"""Requests to one document: `/{db}/{id}`, `_design/…` as any other, and `_local/…`."""

from urllib.parse import quote

import orjson

from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.documents import render, revisions
from router.embedded.couchdb.drafts import Draft, check_id, check_sizes, read_draft
from router.embedded.couchdb.errors import bad_request, conflict, method_not_allowed, not_found
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.revisions import Revision, parse_revision
from router.embedded.couchdb.tree import Leaf
from router.embedded.couchdb.wire import Request, Responder

_ALLOWED = "DELETE,GET,HEAD,POST,PUT,COPY"
_NEEDS_REVISION = "When `new_edits: false`, the document needs `_rev` or `_revisions` specified"


def document(node: Node, database: Database, identity: str, request: Request, out: Responder) -> None:
    """Answer any request under `/{db}/{id}`."""
    if request.verb == "GET":
        _get(node, database, identity, request, out)
    elif request.verb == "PUT":
        _put(node, database, identity, request, out)
    elif request.verb == "DELETE":
        _delete(node, database, identity, request, out)
    elif request.verb == "POST":
        raise bad_request("Referer header required.")
    else:
        raise method_not_allowed(_ALLOWED)


def save(
    node: Node, database: Database, draft: Draft, quorum: int | None, *, replicated: bool = False
) -> tuple[Revision, bool]:
    """Write one document to `quorum` copies; raises the 409, or a 400 for a replicated one without revision.

    Returns:
        Its revision, and whether it was only accepted: too few copies took it.
    """
    if replicated and draft.revision is None:
        raise bad_request(_NEEDS_REVISION)
    written = node.write(database, [draft], replicated=replicated, quorum=quorum)
    revision = written.outcomes[0]
    if revision is None:
        raise conflict()
    return revision, bool(written.accepted)


def location(request: Request, database: Database, identity: str) -> str:
    """Return the document's own URL."""
    host = request.headers.get("host", "127.0.0.1")
    return f"http://{host}/{quote(database.name, safe='')}/{quote(identity, safe='')}"


def _get(node: Node, database: Database, identity: str, request: Request, out: Responder) -> None:
    quorum = request.quorum("r") if request.query else None
    if "open_revs" in request.query:
        _get_open_revisions(identity, node.all_leaves(database, identity, quorum), request, out)
        return
    wanted = request.query.get("rev")
    leaves = node.leaves(database, identity, quorum)
    leaf = _choose(leaves, parse_revision(wanted) if wanted is not None else None)
    extra = _extras(leaf, leaves, request)
    if b"_conflicts" in extra:
        out.send(200, render(identity, leaf, extra) + b"\n")  # no ETag: it would not cover the other leaves
        return
    etag = f'"{leaf.revision}"'
    if request.matches(etag):
        out.send(304, b"", {"ETag": etag})
        return
    out.send(200, render(identity, leaf, extra) + b"\n", {"ETag": etag})


def _choose(leaves: list[Leaf], wanted: Revision | None) -> Leaf:
    if wanted is not None:
        leaf = next((leaf for leaf in leaves if leaf.revision == wanted), None)
        if leaf is None:
            raise not_found()
        return leaf
    if not leaves:
        raise not_found()
    if leaves[0].deleted:
        raise not_found("deleted")
    return leaves[0]


def _extras(leaf: Leaf, leaves: list[Leaf], request: Request) -> bytes:
    extra = b""
    if request.query.get("revs") == "true":
        extra += revisions(leaf)
    others = [str(other.revision) for other in leaves[1:] if not other.deleted]
    if request.query.get("conflicts") == "true" and others:
        extra += b',"_conflicts":' + orjson.dumps(others)
    return extra


def _get_open_revisions(identity: str, leaves: list[Leaf], request: Request, out: Responder) -> None:
    wanted = request.query["open_revs"]
    if not leaves and wanted == "all":
        raise not_found()
    rows = []
    names = [str(leaf.revision) for leaf in reversed(leaves)] if wanted == "all" else orjson.loads(wanted)
    by_name = {str(leaf.revision): leaf for leaf in leaves}
    has_history = request.query.get("revs") == "true"
    for name in names:
        leaf = by_name.get(name)
        extra = revisions(leaf) if leaf and has_history else b""
        found = b'{"ok":' + render(identity, leaf, extra) + b"}" if leaf else orjson.dumps({"missing": name})
        rows.append(found)
    out.start()
    out.write(b"[" + b",".join(rows) + b"]")
    out.end()


def _put(node: Node, database: Database, identity: str, request: Request, out: Responder) -> None:
    check_id(identity)
    draft = read_draft(request.json())
    draft.id = identity
    check_sizes(request.body, [draft])
    if draft.revision is None or not draft.ancestors:
        draft.revision = _parent_revision(request, draft.revision)
    replicated = request.query.get("new_edits") == "false"
    revision, accepted = save(node, database, draft, request.quorum("w"), replicated=replicated)
    headers = {"ETag": f'"{revision}"', "Location": location(request, database, identity)}
    status = 202 if accepted else 200 if draft.deleted else 201
    out.json(status, {"ok": True, "id": identity, "rev": str(revision)}, headers)


def _parent_revision(request: Request, in_body: Revision | None) -> Revision | None:
    """Return the parent's revision from body, query and `If-Match`, which must not differ."""
    revision = in_body
    in_query = request.query.get("rev")
    if in_query is not None:
        revision = parse_revision(in_query)
        if in_body is not None and in_body != revision:
            raise bad_request("Document rev from request body and query string have different values")
    if "if-match" in request.headers:
        in_header = parse_revision(request.headers["if-match"].strip('"'))
        if revision is not None and revision != in_header:
            raise bad_request("Document rev and etag have different values")
        revision = in_header
    return revision


def _delete(node: Node, database: Database, identity: str, request: Request, out: Responder) -> None:
    _choose(node.leaves(database, identity), None)
    draft = Draft(identity, _parent_revision(request, None), [], deleted=True, body={})
    revision, accepted = save(node, database, draft, request.quorum("w"))
    out.json(202 if accepted else 200, {"ok": True, "id": identity, "rev": str(revision)}, {"ETag": f'"{revision}"'})
