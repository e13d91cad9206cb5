"""Number documents of every generation, and what is made of them: answer, copies, the document written again."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from router.account_copies import layout
from router.entries import codec, entry_builder
from router.lifecycle import document_writer
from router.numbers import documents, shards
from router.numbers.documents import NumberDocument, Skipped
from router.numbers.fields import is_true
from router.numbers.routes import Policy, Route, decide
from router.numbers.states import ROUTABLE
from router.v1 import inbound_pb2 as pb
from tests.fuzz.source import Source
from tests.fuzz.target import Target

NOW = 1_800_000_000
ONE, TWO = "4cad0b7f" * 4, "5" * 32
NAMES = [
    "_id",
    "_rev",
    "_deleted",
    "pvt_type",
    "pvt_state",
    "pvt_number_state",
    "pvt_assigned_to",
    "pvt_previously_assigned_to",
    "pvt_reserve_history",
    "pvt_module_name",
    "pvt_features",
    "pvt_ported_in",
    "pvt_used_by",
    "used_by",
    "pvt_authorizing_account",
    "pvt_created",
    "pvt_modified",
    "pvt_deleted",
    "pvt_db_name",
    "pvt_module_data",
    "pvt_carrier_data",
    "prepend",
    "failover",
    "ringback",
    "cnam",
    "e911",
    "dash_e911",
    "vitelity_e911",
    "telnyx_e911",
    "force_outbound",
    "inbound_cnam",
    "outbound_cnam",
    "inbound_lookup",
    "port",
    "name",
    "enabled",
    "number",
    "e164",
    "sip",
    "early",
    "transfer",
    "display_name",
    "state",
    "features",
    "create_with_state",
    "local",
]
WORDS = (
    *NAMES,
    "+14158867900",
    "14158867900",
    "4158867900",
    "+1415",
    "1-" + "a" * 32,
    "2-b",
    "in_service",
    "port_in",
    "reserved",
    "released",
    "disconnected",
    "number",
    ONE,
    TWO,
    "knm_local",
    "wnm_local",
    "knm_vitelity",
    "knm_bandwidth2",
    "true",
    "undefined",
)


def check(data: bytes) -> None:
    """A JSON object, or an object put together from the names that a number document has."""
    doc = _document(data)
    if not isinstance(doc, dict):
        assert isinstance(documents.read(doc), Skipped)
        return
    before = orjson.dumps(doc)
    read = documents.read(doc)
    assert documents.read(doc) == read, "the same twice"
    _in_its_database(doc, read)
    _in_the_cache(doc)
    if isinstance(read, NumberDocument):
        _owner(doc, read)
        _summary(read)
        _written_again(read)
    assert orjson.dumps(doc) == before, "reading changes nothing"


def _document(data: bytes) -> object:
    if data[:1] in {b"{", b"["}:
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(data)
        return None
    source = Source(data)
    doc: dict[str, Any] = {"_id": "+14158867900", "_rev": "1-" + "a" * 32, "pvt_assigned_to": ONE}
    while not source.is_empty:
        doc[source.name(NAMES)] = source.json(WORDS)
    return doc


def _in_its_database(doc: Mapping[str, Any], read: NumberDocument | Skipped) -> None:
    identifier = str(doc.get("_id"))
    home = shards.shard_for(identifier) or ""
    there = documents.read(doc, expected_database=home)
    if isinstance(there, NumberDocument):
        assert there == read
        assert there.number == identifier, "a lookup finds it by its id"
    assert isinstance(documents.read(doc, expected_database=home + "0"), Skipped), "and in no other database"


def _owner(doc: Mapping[str, Any], read: NumberDocument) -> None:
    """Check that the account is one that the document names, letter by letter."""
    assert read.assigned_to in (None, doc.get("pvt_assigned_to"))
    assert read.previously_assigned_to in (None, doc.get("pvt_previously_assigned_to"))
    history = doc.get("pvt_reserve_history")
    assert all(isinstance(history, list) and account in history for account in read.reserve_history)
    assert all(problem.isprintable() and len(problem) < 600 for problem in read.problems)
    decision = decide(read, Policy())
    if isinstance(decision, Route):
        assert decision.account_id == doc["pvt_assigned_to"]
        assert decision.state in ROUTABLE
        assert not is_true(doc.get("pvt_deleted"))


def _in_the_cache(doc: Mapping[str, Any]) -> None:
    """Check that lookups get what was decided, and that it survives the cache's bytes."""
    home = shards.shard_for(str(doc.get("_id"))) or ""
    made = entry_builder.entry_from_json(doc, home, Policy(), NOW)
    if isinstance(made, Skipped):
        assert made.reason.isprintable()
        return
    assert codec.unpack(made.pack()) == made
    assert made.account_id in ("", doc.get("pvt_assigned_to"))
    if made.kind == codec.ROUTE:
        answer = pb.LookupResponse.FromString(made.payload)
        read = documents.read(doc, expected_database=home)
        assert isinstance(read, NumberDocument)
        assert (answer.account_id, answer.state, tuple(answer.features)) == (
            read.assigned_to,
            read.state,
            tuple(read.features),
        )
    elif made.kind == codec.REFUSAL:
        codec.refusal_of(made.payload, str(doc["_id"]))
    else:
        assert made.kind == codec.TOMBSTONE


def _summary(read: NumberDocument) -> None:
    reported = layout.summary(read)
    assert orjson.loads(orjson.dumps(reported)) == reported
    assert layout.comparable(layout.merge_summary({"ours": 1, "state": "x"}, reported)) == layout.comparable(reported)
    assert layout.listing_accounts(read) | layout.owning_accounts(read) <= layout.affected_accounts(read)
    part = layout.listed_fields(read)
    assert layout.comparable(layout.summary(part)) == layout.comparable(reported), "the part is enough for the entry"
    assert not any(name.startswith("_") for name in layout.copied_fields(read.fields))


def _written_again(read: NumberDocument) -> None:
    """The document that the number manager would put says the same of the number."""
    doc = document_writer.encode_document(read, read, now=read.modified or 1)
    again = documents.read(doc)
    assert isinstance(again, NumberDocument), again
    for name in ("number", "assigned_to", "previously_assigned_to", "reserve_history", "module_name", "state"):
        assert getattr(again, name) == getattr(read, name), name
    for name in ("ported_in", "used_by", "authorizing_account", "created", "deleted"):
        assert getattr(again, name) == getattr(read, name), name
    assert document_writer.public_fields(again).keys() == document_writer.public_fields(read).keys()
    assert again.features == read.features


TARGET = Target("number_documents", check, dictionary=[f'"{word}":' for word in NAMES] + list(WORDS), longest=1024)
