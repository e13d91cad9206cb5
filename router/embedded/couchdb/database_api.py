"""Requests to one database: itself, its changes, and its settings."""

import uuid
from urllib.parse import quote

from router.embedded.couchdb.changes import RowOptions, row_writer
from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.document_api import location, save
from router.embedded.couchdb.drafts import read_draft
from router.embedded.couchdb.errors import ApiError, bad_request, method_not_allowed
from router.embedded.couchdb.etags import info_etag
from router.embedded.couchdb.feeds import MAX_WAIT_SECONDS, NO_LIMIT, Feed, FeedOptions
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.wire import Request, Responder, parse_json

_BAD_HEARTBEAT = "Invalid heartbeat value. Expecting a positive integer value (in milliseconds)."
_ZERO_HEARTBEAT = "The heartbeat value should be a positive integer (in milliseconds)."
_REV_ON_DELETE = "You tried to DELETE a database with a ?=rev parameter. Did you mean to DELETE a document instead?"


def create(node: Node, name: str, request: Request, out: Responder) -> None:
    """`PUT /{db}`."""
    status = 201 if node.create(name) else 202
    host = request.headers.get("host", "127.0.0.1")
    out.json(status, {"ok": True}, {"Location": f"http://{host}/{quote(name, safe='')}"})


def delete(node: Node, name: str, request: Request, out: Responder) -> None:
    """`DELETE /{db}`."""
    if "rev" in request.query:
        raise bad_request(_REV_ON_DELETE)
    out.json(200 if node.delete(name) else 202, {"ok": True})


def itself(node: Node, database: Database, request: Request, out: Responder) -> None:
    """`GET /{db}` (its information) and `POST /{db}` (a new document)."""
    if request.verb == "GET":
        out.json(200, node.info(database))
        return
    if request.verb != "POST":
        raise method_not_allowed("DELETE,GET,HEAD,POST")
    request.require_json()
    draft = read_draft(request.json())
    draft.id = draft.id or uuid.uuid4().hex
    revision, accepted = save(node, database, draft, request.quorum("w"))
    headers = {"Location": location(request, database, draft.id)}
    out.json(202 if accepted else 201, {"ok": True, "id": draft.id, "rev": str(revision)}, headers)


def changes(node: Node, database: Database, request: Request, out: Responder) -> None:
    """`GET` and `POST /{db}/_changes`."""
    if request.verb not in {"GET", "POST"}:
        raise method_not_allowed("GET,POST,HEAD")
    options = _feed_options(request)
    reader = node.reader(database, request.query.get("since", "0"))
    rows = RowOptions(
        include_docs=request.query.get("include_docs") == "true",
        all_leaves=request.query.get("style") == "all_docs",
        only=_only(request),
    )
    write_row = row_writer(reader, rows)
    feed = Feed(node, database, reader, write_row, out, options)
    if options.kind == "normal":
        etag = info_etag(node.info(database))
        if request.matches(etag):
            out.send(304, b"", {"ETag": etag})
            return
        out.start({"ETag": etag})
        feed.normal()
        return
    out.start()
    if options.kind == "longpoll":
        feed.longpoll()
    else:
        feed.continuous()


def _feed_options(request: Request) -> FeedOptions:
    kind = request.query.get("feed", "normal")
    kind = "continuous" if kind == "live" else kind
    if kind not in {"normal", "longpoll", "continuous"}:
        raise bad_request("Supported `feed` types: normal, continuous, live, longpoll, eventsource")
    limit = _number(request, "limit", NO_LIMIT)
    heartbeat = request.query.get("heartbeat")
    if heartbeat is None:
        seconds = min(_number(request, "timeout", 60_000) / 1000, MAX_WAIT_SECONDS)
        return FeedOptions(kind, limit, seconds, heartbeat=False)
    if heartbeat == "true":
        return FeedOptions(kind, limit, MAX_WAIT_SECONDS, heartbeat=True)
    if not heartbeat.lstrip("-").isdecimal():
        raise bad_request(_BAD_HEARTBEAT)
    if int(heartbeat) <= 0:
        raise bad_request(_ZERO_HEARTBEAT)
    return FeedOptions(kind, limit, min(int(heartbeat) / 1000, MAX_WAIT_SECONDS), heartbeat=True)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.lstrip("-").isdecimal():
        raise ApiError(500, "unknown_error", "badarg")
    return int(text)


def _only(request: Request) -> frozenset[str] | None:
    if request.query.get("filter") != "_doc_ids":
        return None
    if request.verb == "POST":
        wanted = request.json_object().get("doc_ids", [])
    else:
        wanted = parse_json(request.query.get("doc_ids", "[]"))
    if not isinstance(wanted, list):
        raise bad_request("`doc_ids` filter parameter is not a list.")
    return frozenset(identity for identity in wanted if isinstance(identity, str))


def security(node: Node, database: Database, request: Request, out: Responder) -> None:
    """`GET` and `PUT /{db}/_security`; kept, not enforced: there is one user, the administrator."""
    if request.verb == "GET":
        out.send(200, database.security.encode() + b"\n")
        return
    if request.verb != "PUT":
        raise method_not_allowed("PUT,GET")
    wanted = request.json()
    if not isinstance(wanted, dict):
        raise bad_request("Request body must be a JSON object")
    for databases, copy in node.copies(database):
        databases.set_security(copy, wanted)
    out.json(200, {"ok": True})


def revs_limit(node: Node, database: Database, request: Request, out: Responder) -> None:
    """`GET` and `PUT /{db}/_revs_limit`."""
    if request.verb == "GET":
        out.json(200, database.revs_limit)
        return
    if request.verb != "PUT":
        raise method_not_allowed("PUT,GET")
    limit = request.json()
    if not isinstance(limit, int) or limit <= 0:
        raise bad_request("`revs_limit` must be positive integer")
    for databases, copy in node.copies(database):
        databases.set_revs_limit(copy, limit)
    out.json(200, {"ok": True})


def compact(_node: Node, _database: Database, request: Request, out: Responder) -> None:
    """`POST /{db}/_compact`: nothing to do, since only leaves are kept."""
    _require_json_post(request)
    out.json(202, {"ok": True})


def ensure_full_commit(_node: Node, database: Database, request: Request, out: Responder) -> None:
    """`POST /{db}/_ensure_full_commit`: every answer is committed already."""
    _require_json_post(request)
    out.json(201, {"ok": True, "instance_start_time": str(database.created)})


def _require_json_post(request: Request) -> None:
    if request.verb != "POST":
        raise method_not_allowed("POST")
    request.require_json()
