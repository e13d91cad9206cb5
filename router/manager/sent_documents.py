"""Encodes decided documents for writing, and recognises a write whose response was lost."""

import logging
from collections.abc import Mapping
from typing import Any

import orjson

from router.lifecycle import errors
from router.lifecycle.document_writer import encode_document, encode_restored_document
from router.manager.job import Decided, Pending, Sent, Settled
from router.numbers import documents
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import Skipped
from router.numbers.revision import generation_of

log = logging.getLogger(__name__)


def encode(decided: Decided, after: NumberDocument | None, now: int) -> Sent | Settled:
    """Encode a document for writing, or settle the job if it can't be.

    Args:
        after: None: delete the document.
        now: Gregorian seconds.
    """
    if after is None:
        deletion = {"_id": decided.number, "_rev": decided.pending.stored.base, "_deleted": True}
        return Sent(decided, deletion, None)
    encode_ = encode_restored_document if decided.plan.verbatim else encode_document
    body = encode_(after, decided.plan.before, now=now)
    read = _as_read(after, body)
    if isinstance(read, Skipped):  # unreachable: an encoded document can be read
        log.error("encoded document unreadable: number=%s reason=%s", decided.number, read.reason)
        return decided.fail(errors.internal())
    try:
        orjson.dumps({"docs": [body]})
    except orjson.JSONEncodeError as problem:  # checked here, or the whole batch's request would fail
        return decided.fail(errors.invalid(f"a field can't be written as JSON ({problem}): leave it out"))
    return Sent(decided, body, read)


def was_already_written(pending: Pending) -> Settled | None:
    """Settle a job whose earlier write is stored as the next revision: it succeeded, and its response was lost.

    An identical operation by another client in the same second looks the same and counts as done for both: a number
    that is to be released once must not be released twice.
    """
    sent, stored = pending.sent, pending.stored
    if sent is None or not _is_next_revision(stored.base, sent.base):
        return None
    actual = None if stored.document is None else _without_revision(stored.document.fields)
    if actual != (None if sent.after is None else _without_revision(sent.body)):
        return None
    return sent.settle(stored.base)


def _as_read(after: NumberDocument, body: Mapping[str, Any]) -> NumberDocument | Skipped:
    """Return the document as it will be read; a new document's values are known, which spares reading it."""
    if "_id" in after.fields:
        return documents.read(body)
    return fast_replace(after, modified=body["pvt_modified"], fields=body)


def _is_next_revision(revision: str, base: str) -> bool:
    """Return whether a revision directly follows another; any follows an unread number, which may have been deleted."""
    return not base or generation_of(revision) == generation_of(base) + 1


def _without_revision(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "_rev"}
