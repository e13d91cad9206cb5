"""Descriptions of entries and documents for people."""

import time

from router.couch.client import Document
from router.entries.codec import NEGATIVE, REFUSAL, ROUTE, TOMBSTONE, Entry, refusal_of
from router.numbers import documents
from router.numbers.documents import Skipped
from router.numbers.gregorian import to_unix
from router.v1 import inbound_pb2 as pb


def describe_entry(entry: Entry, number: str) -> str:
    """Return what an entry answers, as text."""
    if entry.kind == ROUTE:
        route = pb.LookupResponse.FromString(entry.payload)
        return f"routes to account {route.account_id}, state {route.state}"
    if entry.kind == REFUSAL:
        refusal = refusal_of(entry.payload, number)
        return f"refuses: {refusal.reason.value}, {refusal.message}"
    return {TOMBSTONE: "the document was deleted", NEGATIVE: "no such number, kept for a short time"}[entry.kind]


def state_of(entry: Entry, number: str) -> str:
    """Return the state of the number in an entry; empty for none."""
    if entry.kind == ROUTE:
        return pb.LookupResponse.FromString(entry.payload).state
    return refusal_of(entry.payload, number).state if entry.kind == REFUSAL else ""


def describe_document(document: Document | None, number: str, database: str) -> pb.LayerView:
    """Return the view of a number document; None for a missing one."""
    if document is None:
        return pb.LayerView(detail=f"no document {number} in {database}")
    read = documents.read(document, expected_database=database)
    if isinstance(read, Skipped):
        return pb.LayerView(present=True, detail=f"not a number document: {read.reason}")
    facts = [f"state {read.state or 'none'}", f"assigned to {read.assigned_to or 'nobody'}", *read.problems]
    return pb.LayerView(
        present=True,
        revision=read.revision,
        age_seconds=0.0 if read.modified is None else max(0.0, round(time.time() - to_unix(read.modified), 3)),
        detail="; ".join(facts),
        account_id=read.assigned_to or "",
        state=read.state or "",
    )
