"""`_all_docs`: every live document by id, streamed a page at a time."""

from collections.abc import Iterator
from typing import Any

import orjson

from router.embedded.couchdb.databases import Database
from router.embedded.couchdb.documents import LEAF_COLUMNS, leaf_of, render
from router.embedded.couchdb.node import Node
from router.embedded.couchdb.parameters import Range, read_range
from router.embedded.couchdb.store import Store
from router.embedded.couchdb.tree import Leaf
from router.embedded.couchdb.wire import Request, Responder

_PAGE_SIZE = 400


def all_docs(node: Node, database: Database, request: Request, out: Responder) -> None:
    """`GET` and `POST /{db}/_all_docs`."""
    span = read_range(request)
    store, copy = node.listed_copy(database)
    total = copy.counters.live
    offset = b"null"
    if span.keys is None:
        offset = str(_offset(store, copy, span, total)).encode()
        rows = _range_rows(store, copy, span)
    else:
        rows = _key_rows(node, database, span, span.keys)
    out.start()
    out.write(b'{"total_rows":%d,"offset":%b,' % (total, offset))
    if span.update_seq:
        counters = b"null" if span.keys is not None else b'"%b"' % node.listed_sequence(copy).encode()
        out.write(b'"update_seq":%b,' % counters)
    out.write(b'"rows":[\r\n')
    first = True
    for row in rows:
        out.write(row if first else b",\r\n" + row)
        first = False
    out.write(b"\r\n]}")
    out.end()


def _offset(store: Store, database: Database, span: Range, total: int) -> int:
    before = 0
    if span.start is not None and span.limit != 0:
        side = ">" if span.descending else "<"
        row = store.row(
            f"SELECT count(*) FROM documents WHERE db = ? AND deleted = 0 AND id {side} ?",  # noqa: S608
            (database.id, span.start),
        )
        before = row[0] if row else 0
    return min(total, before + span.skip)


def _range_rows(store: Store, database: Database, span: Range) -> Iterator[bytes]:
    left = span.limit
    skip = span.skip
    bound, inclusive = span.start, True
    while left is None or left > 0:
        size = _PAGE_SIZE if left is None else min(_PAGE_SIZE, left)
        page = _page(store, database, span, bound, inclusive=inclusive, skip=skip, size=size)
        for identity, *columns in page:
            yield _row(identity, leaf_of(tuple(columns)), include_docs=span.include_docs)
        if len(page) < size:
            return
        left = None if left is None else left - size
        skip, bound, inclusive = 0, page[-1][0], False


def _page(
    store: Store,
    database: Database,
    span: Range,
    bound: str | None,
    *,
    inclusive: bool,
    skip: int,
    size: int,
) -> list[tuple[Any, ...]]:
    ahead, behind, order = ("<", ">", "DESC") if span.descending else (">", "<", "ASC")
    where, values = ["db = ?", "deleted = 0"], [database.id]
    parameters: list[Any] = list(values)
    if bound is not None:
        where.append(f"id {ahead}{'=' if inclusive else ''} ?")
        parameters.append(bound)
    if span.end is not None:
        where.append(f"id {behind}{'=' if span.inclusive_end else ''} ?")
        parameters.append(span.end)
    return store.rows(
        f"SELECT id, {LEAF_COLUMNS} FROM documents WHERE {' AND '.join(where)}"  # noqa: S608
        f" ORDER BY id {order} LIMIT ? OFFSET ?",
        (*parameters, size, skip),
    )


def _key_rows(node: Node, database: Database, span: Range, keys: list[Any]) -> Iterator[bytes]:
    ordered = list(reversed(keys)) if span.descending else keys
    end = None if span.limit is None else span.skip + span.limit
    for key in ordered[span.skip : end]:
        leaves = node.leaves(database, key) if isinstance(key, str) else []
        if leaves:
            yield _row(key, leaves[0], include_docs=span.include_docs)
        else:
            yield b'{"key":%b,"error":"not_found"}' % orjson.dumps(key)


def _row(identity: str, leaf: Leaf, *, include_docs: bool) -> bytes:
    name = orjson.dumps(identity)
    deleted = b',"deleted":true' if leaf.deleted else b""
    head = b'{"id":%b,"key":%b,"value":{"rev":%b%b}' % (
        name,
        name,
        orjson.dumps(str(leaf.revision)),
        deleted,
    )
    if not include_docs:
        return head + b"}"
    return head + b',"doc":' + (b"null" if leaf.deleted else render(identity, leaf)) + b"}"
