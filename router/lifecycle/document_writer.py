"""Writing of number documents: the page's fields in the document's own encoding, and all foreign fields."""

from collections.abc import Mapping
from typing import Any

from router.lifecycle import document_encoding
from router.numbers import documents, features, shards
from router.numbers.carriers import has_local_feature
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace

DERIVED_FIELDS = frozenset(("id", "used_by", "state", "features", "create_with_state"))
"""Public fields that KAZOO's API derives from others: never accepted, never changed."""


def is_public(name: str) -> bool:
    """Return whether a field is the owner's; such fields request features, and may hold anything else."""
    return not name.startswith(("pvt_", "_")) and name not in DERIVED_FIELDS


def public_fields(document: NumberDocument) -> dict[str, Any]:
    """Return the owner's fields: those without `pvt_`, derived ones excepted."""
    return {name: value for name, value in document.fields.items() if is_public(name)}


def with_public(document: NumberDocument, fields: Mapping[str, Any]) -> NumberDocument:
    """Return the document with other public fields; its `features` stay."""
    others = {name: value for name, value in document.fields.items() if not is_public(name)}
    given = {name: value for name, value in fields.items() if is_public(name) and value is not None}
    return fast_replace(document, fields=others | given)


def without_usage(document: NumberDocument) -> NumberDocument:
    """Return the document without its owner's settings: no public fields, no features but `local`."""
    fields = {name: value for name, value in document.fields.items() if name.startswith(("pvt_", "_"))}
    if "used_by" in document.fields:
        fields["used_by"] = document.fields["used_by"]
    return fast_replace(document, fields=fields, features=own_features(document.module_name))


def own_features(module: str) -> dict[str, Any]:
    """Return the features that every number of a carrier module has."""
    return {"local": {}} if has_local_feature(module) else {}


def module_data(document: NumberDocument) -> dict[str, Any]:
    """Return the carrier's data (`pvt_module_data`, in newer documents `pvt_carrier_data`)."""
    return document_encoding.module_data(document.fields)


def with_module_data(document: NumberDocument, data: Mapping[str, Any]) -> NumberDocument:
    """Return the document with other carrier data."""
    fields = dict(document.fields)
    document_encoding.put_module_data(fields, data)
    return fast_replace(document, fields=fields)


def new_document(
    number: str,
    *,
    state: str,
    module_name: str,
    authorizing_account: str,
    now: int,
    ported_in: bool = False,
) -> NumberDocument:
    """Return a new, unassigned number.

    Args:
        number: E.164.
        now: Gregorian seconds.
    """
    return NumberDocument(
        number=number,
        revision="",
        state=state,
        assigned_to=None,
        previously_assigned_to=None,
        reserve_history=(),
        module_name=module_name,
        features=own_features(module_name),
        ported_in=ported_in,
        used_by=None,
        authorizing_account=authorizing_account,
        created=now,
        modified=now,
        deleted=False,
        dirty=True,
        problems=(),
        fields={},
    )


def encode_document(after: NumberDocument, before: NumberDocument | None, *, now: int) -> dict[str, Any]:
    """Return the JSON to write into the number's database.

    A field of `after.fields` keeps its encoding as long as it decodes to the same value as `after`'s. Without an `_id`
    among them the number is new, and gets the page's fields.

    Args:
        after: the number after the operation.
        before: the current document, which may be marked deleted; its revision is replaced. None where there is none.
        now: Gregorian seconds, for `pvt_modified`.
    """
    doc = _changed(after) if "_id" in after.fields else _new(after)
    document_encoding.put(doc, "_rev", before.revision or None if before is not None else None)
    doc["pvt_modified"] = now
    return doc


def _new(after: NumberDocument) -> dict[str, Any]:
    """Return every field of the page that is set."""
    doc: dict[str, Any] = {"_id": after.number, "pvt_type": "number"}
    doc |= {name: value for name, value in after.fields.items() if is_public(name)}
    doc |= {
        "pvt_db_name": _database(after.number),
        document_encoding.STATE: after.state,
        "pvt_module_name": after.module_name,
        document_encoding.MODULE_DATA: module_data(after),
        features.FIELD: list(listed) if isinstance(listed := after.fields.get(features.FIELD), list) else [],
        "pvt_reserve_history": list(after.reserve_history),
        "pvt_ported_in": after.ported_in,
    }
    given = {
        "pvt_authorizing_account": after.authorizing_account,
        "pvt_assigned_to": after.assigned_to,
        "pvt_previously_assigned_to": after.previously_assigned_to,
        "pvt_used_by": after.used_by,
        "pvt_created": after.created,
    }
    doc |= {name: value for name, value in given.items() if value is not None}
    document_encoding.put_features(doc, after.features, after.module_name)
    return doc


def _changed(after: NumberDocument) -> dict[str, Any]:
    doc = {"_id": after.number, "pvt_type": "number", **after.fields}
    existing = documents.read(doc)
    if isinstance(existing, documents.Skipped):  # it has become a document of another type
        return doc | _new(after)
    home = shards.shard_for(after.number)
    named = doc.get("pvt_db_name")
    if not isinstance(named, str) or shards.decoded(named) != home:
        doc["pvt_db_name"] = _database(after.number)
    if after.state or existing.state:
        document_encoding.put_state(doc, after.state)
    wanted = {
        "pvt_module_name": ("module_name", after.module_name),
        "pvt_assigned_to": ("assigned_to", after.assigned_to),
        "pvt_previously_assigned_to": ("previously_assigned_to", after.previously_assigned_to),
        "pvt_reserve_history": ("reserve_history", after.reserve_history),
        "pvt_ported_in": ("ported_in", after.ported_in),
        "pvt_used_by": ("used_by", after.used_by),
        "pvt_authorizing_account": ("authorizing_account", after.authorizing_account),
        "pvt_created": ("created", after.created),
        "pvt_deleted": ("deleted", after.deleted or None),
    }
    for name, (attribute, value) in wanted.items():
        if (getattr(existing, attribute) or None) != (value or None):
            document_encoding.put(doc, name, list(value) if isinstance(value, tuple) else value)
    if existing.used_by != after.used_by and "used_by" in doc:  # where older documents repeat it
        doc["used_by"] = after.used_by or ""
    document_encoding.put_features(doc, after.features, after.module_name)
    return doc


def encode_restored_document(after: NumberDocument, before: NumberDocument | None, *, now: int) -> dict[str, Any]:
    """Return an exported document as it is to be written: unchanged but for `_rev` and `pvt_modified`.

    Args:
        after: read from that document; its fields hold `_id` and no other field of CouchDB's own.
        before: the current document, marked deleted; its revision is replaced. None where there is none.
        now: Gregorian seconds.
    """
    doc = {**after.fields, "pvt_modified": now}
    document_encoding.put(doc, "_rev", before.revision or None if before is not None else None)
    return doc


def _database(number: str) -> str:
    return shards.encoded(shards.shard_for(number) or "")
