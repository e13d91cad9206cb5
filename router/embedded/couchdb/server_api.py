"""Requests to the server itself: `/`, `_up`, `_all_dbs`, `_dbs_info`, `_session`, `_uuids`."""

import uuid
from typing import Any

import orjson

from router.embedded.couchdb.errors import ApiError, bad_request, method_not_allowed, not_found
from router.embedded.couchdb.etags import etag
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.parameters import Range, read_range
from router.embedded.couchdb.wire import Request, Responder

_MAX_KEYS = 100


def welcome(node: Node, request: Request, out: Responder) -> None:
    """`GET /`: the imitated version."""
    _require(request, "GET", "GET,HEAD")
    out.json(
        200,
        {
            "couchdb": "Welcome",
            "version": "3.5.0",
            "git_sha": "embedded",
            "uuid": node.uuid,
            "features": ["partitioned", "pluggable-storage-engines"],
            "vendor": {"name": "did-router"},
        },
    )


def up(node: Node, request: Request, out: Responder) -> None:
    """`GET /_up`."""
    _require(request, "GET", "GET,HEAD")
    if node.in_maintenance:
        out.json(404, {"status": "maintenance_mode"})
        return
    out.json(200, {"status": "ok", "seeds": {}})


def membership(node: Node, request: Request, out: Responder) -> None:
    """`GET /_membership`: the connected nodes, and all nodes of the cluster."""
    _require(request, "GET", "GET")
    out.json(200, node.membership())


def own_node(node: Node, request: Request, out: Responder) -> None:
    """`GET /_node/_local` and its settings under `_config`, read-only."""
    _require(request, "GET", "GET")
    own, *path = request.parts[1:] or [""]
    if own not in {"_local", node.name}:
        raise ApiError(404, "not_found", f"no such node: {own}")
    if not path:
        out.json(200, {"name": node.name})
        return
    value: Any = {"_config": node.settings}
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if value is None:
        raise not_found("unknown_config_value")
    out.json(200, value)


def session(node: Node, request: Request, out: Responder) -> None:
    """`GET /_session`: the authenticated user. Cookies are not supported."""
    _require(request, "GET", "GET,HEAD")
    info: dict[str, Any] = {"authentication_handlers": ["cookie", "default"]}
    admin = "authorization" in request.headers  # wrong credentials were refused before
    if admin:
        info["authenticated"] = "default"
    context: dict[str, Any] = {
        "name": node.authenticator.user if admin else None,
        "roles": ["_admin"] if admin else [],
    }
    out.json(200, {"ok": True, "userCtx": context, "info": info})


def uuids(_node: Node, request: Request, out: Responder) -> None:
    """`GET /_uuids`."""
    _require(request, "GET", "GET")
    count = request.query.get("count", "1")
    if not count.isdecimal() or int(count) > 1000:  # noqa: PLR2004 - CouchDB's own limit
        raise bad_request("count parameter too large")
    out.json(200, {"uuids": [uuid.uuid4().hex for _ in range(int(count))]})


def all_dbs(node: Node, request: Request, out: Responder) -> None:
    """`GET /_all_dbs`."""
    _require(request, "GET", "GET,HEAD")
    names = _names(node, read_range(request))
    body = orjson.dumps(names)
    tag = etag(body)
    if request.matches(tag):
        out.send(304, b"", {"ETag": tag})
        return
    out.start({"ETag": tag})
    out.write(body)
    out.end()


def dbs_info(node: Node, request: Request, out: Responder) -> None:
    """`GET /_dbs_info` over a range of names, `POST` for up to a hundred of them."""
    if request.verb == "GET":
        names = _names(node, read_range(request))
        _write_infos(out, (_info_row(node, name, missing=False) for name in names))
        return
    _require(request, "POST", "GET,HEAD,POST")
    keys = request.json_object().get("keys")
    if keys is None:
        raise bad_request("`keys` member must exist.")
    if not isinstance(keys, list):
        raise bad_request("`keys` member must be an array.")
    if len(keys) > _MAX_KEYS:
        raise bad_request("too_many_keys")
    _write_infos(out, (_info_row(node, key, missing=True) for key in keys))


def _write_infos(out: Responder, rows: Any) -> None:
    out.start()
    out.write(b"[")
    first = True
    for row in rows:
        if row is None:
            continue
        out.write(row if first else b"," + row)
        first = False
    out.write(b"]")
    out.end()


def _info_row(node: Node, name: Any, *, missing: bool) -> bytes | None:
    database = node.databases.find(name) if isinstance(name, str) else None
    if database is not None:
        return orjson.dumps({"key": name, "info": node.info(database)})
    return orjson.dumps({"key": name, "error": "not_found"}) if missing else None


def _names(node: Node, span: Range) -> list[str]:
    names = [name for name in node.databases.names() if span.holds(name)]
    if span.descending:
        names.reverse()
    end = None if span.limit is None else span.skip + span.limit
    return names[span.skip : end]


def _require(request: Request, verb: str, allowed: str) -> None:
    if request.verb != verb:
        raise method_not_allowed(allowed)
