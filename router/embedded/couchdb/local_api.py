"""`_local` documents: stored apart from the others, in no feed and no listing."""

import orjson

from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.document_api import location
from router.embedded.couchdb.drafts import read_draft
from router.embedded.couchdb.errors import method_not_allowed, not_found
from router.embedded.couchdb.etags import etag
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.wire import Request, Responder


def local_document(node: Node, database: Database, identity: str, request: Request, out: Responder) -> None:
    """Answer any request under `/{db}/_local/{name}`; `identity` has the prefix."""
    if request.verb == "GET":
        _get(node, database, identity, out)
    elif request.verb == "PUT":
        _put(node, database, identity, request, out)
    elif request.verb == "DELETE":
        _delete(node, database, identity, out)
    else:
        raise method_not_allowed("DELETE,GET,HEAD,POST,PUT,COPY")


def _get(node: Node, database: Database, identity: str, out: Responder) -> None:
    row = _read(node, database, identity)
    if row is None:
        raise not_found()
    body = row[1].encode()[1:]
    comma = b"," if len(body) > 1 else b""
    document = b'{"_id":%b,"_rev":"0-%d"' % (orjson.dumps(identity), row[0]) + comma + body
    out.send(200, document + b"\n", {"ETag": etag(document)})


def _put(node: Node, database: Database, identity: str, request: Request, out: Responder) -> None:
    draft = read_draft(request.json())
    # These documents have no conflicts: CouchDB does not compare the given revision.
    number = int(draft.revision.digest) + 1 if draft.revision and draft.revision.digest.isdecimal() else 1
    text = orjson.dumps(draft.body)
    for databases, copy in node.copies(database):
        databases.save_local(copy, identity, number, text.decode())
    headers = {"ETag": etag(b"%d" % number + text), "Location": location(request, database, identity)}
    out.json(201, {"ok": True, "id": identity, "rev": f"0-{number}"}, headers)


def _delete(node: Node, database: Database, identity: str, out: Responder) -> None:
    if _read(node, database, identity) is None:
        raise not_found()
    for databases, copy in node.copies(database):
        databases.delete_local(copy, identity)
    out.json(200, {"ok": True, "id": identity, "rev": "0-0"})


def _read(node: Node, database: Database, identity: str) -> tuple[int, str] | None:
    row = node.store.row("SELECT revision, body FROM locals WHERE db = ? AND id = ?", (database.id, identity))
    return (row[0], row[1]) if row else None
