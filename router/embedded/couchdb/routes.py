"""Dispatches an authenticated request to its handler."""

from collections.abc import Callable

from router.embedded.couchdb import bulk_api, database_api, server_api
from router.embedded.couchdb.all_docs import all_docs
from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.document_api import document
from router.embedded.couchdb.errors import bad_request, method_not_allowed, not_found, unauthorized
from router.embedded.couchdb.local_api import local_document
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.updates import db_updates
from router.embedded.couchdb.wire import Request, Responder

_OPEN: dict[str, Callable[[Node, Request, Responder], None]] = {
    "_up": server_api.up,
    "_session": server_api.session,
    "_uuids": server_api.uuids,
}
_ADMIN: dict[str, Callable[[Node, Request, Responder], None]] = {
    "_all_dbs": server_api.all_dbs,
    "_dbs_info": server_api.dbs_info,
    "_membership": server_api.membership,
    "_node": server_api.own_node,
    "_db_updates": db_updates,
}
_DATABASE: dict[str, Callable[[Node, Database, Request, Responder], None]] = {
    "_changes": database_api.changes,
    "_bulk_docs": bulk_api.bulk_docs,
    "_bulk_get": bulk_api.bulk_get,
    "_purge": bulk_api.purge_documents,
    "_security": database_api.security,
    "_revs_limit": database_api.revs_limit,
    "_compact": database_api.compact,
    "_ensure_full_commit": database_api.ensure_full_commit,
}
_NOT_ADMIN = "You are not a server admin."
_DOCUMENT_PATH, _PREFIXED_PATH = 2, 3


def respond(node: Node, request: Request, out: Responder) -> None:
    """Answer a request; raises `ApiError` for a refusal."""
    admin = node.authenticator.authenticate(request.headers.get("authorization"), request.peer)
    parts = request.parts
    if not parts:
        server_api.welcome(node, request, out)
    elif parts[0] in _OPEN:
        _OPEN[parts[0]](node, request, out)
    elif parts[0] in _ADMIN:
        if not admin:
            raise unauthorized(_NOT_ADMIN)
        _ADMIN[parts[0]](node, request, out)
    else:
        _respond_for_database(node, request, out, admin=admin)


def _respond_for_database(node: Node, request: Request, out: Responder, *, admin: bool) -> None:
    name, *rest = request.parts
    if not rest and request.verb in {"PUT", "DELETE"}:
        if not admin:
            raise unauthorized(_NOT_ADMIN)
        act = database_api.create if request.verb == "PUT" else database_api.delete
        act(node, name, request, out)
        return
    database = node.databases.get(name)
    if not admin:
        raise unauthorized("You are not authorized to access this db.")
    if not rest:
        database_api.itself(node, database, request, out)
    elif rest[0] in _DATABASE:
        _DATABASE[rest[0]](node, database, request, out)
    elif rest == ["_all_docs"]:
        _respond_all_docs(node, database, request, out)
    else:
        _respond_for_document(node, database, request, out)


def _respond_all_docs(node: Node, database: Database, request: Request, out: Responder) -> None:
    if request.verb not in {"GET", "POST"}:
        raise method_not_allowed("GET,HEAD,POST")
    all_docs(node, database, request, out)


def _respond_for_document(node: Node, database: Database, request: Request, out: Responder) -> None:
    path = request.parts[1:]
    if path[0] == "_local" or path[0].startswith("_local/"):
        local_document(node, database, _local_id(path), request, out)
        return
    if path[0] == "_design" and len(path) == _DOCUMENT_PATH:
        document(node, database, f"_design/{path[1]}", request, out)
        return
    if len(path) > 1:
        # Views and attachments are not supported.
        raise not_found("missing" if path[0] == "_design" else "Document is missing attachment")
    document(node, database, path[0], request, out)


def _local_id(path: list[str]) -> str:
    identity = "/".join(path)
    if identity in {"_local", "_local/"}:
        raise bad_request("Invalid _local document id.")
    if len(path) >= _PREFIXED_PATH:
        raise bad_request("_local documents do not accept attachments.")
    return identity
