"""Export and import of whole documents: any document comes back byte for byte, but for `_rev` and `pvt_modified`."""

import io
from pathlib import Path
from typing import Any, Self, cast

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.bulk import formats, json_rows
from router.bulk.export import Export
from router.bulk.journal import Journal
from router.bulk.journal_header import Header
from router.bulk.records import ImportOptions
from router.bulk.results import Report
from router.bulk.run import BulkRun
from router.couch.server import CouchServer
from tests.integration.manager_stores import CHILD, RESELLER, SHARD, Manager
from tests.integration.real_stores import RealStores
from tests.support.examples import examples

_VISIBLE = st.characters(min_codepoint=33, max_codepoint=126)
_IDS = st.one_of(
    st.from_regex(r"\+1415[0-9]{0,10}", fullmatch=True), st.text(_VISIBLE, max_size=12).map("+1415".__add__)
)
_NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=8,
)
_OURS = st.sampled_from(
    [
        "pvt_state",
        "pvt_number_state",
        "pvt_assigned_to",
        "pvt_previously_assigned_to",
        "pvt_reserve_history",
        "pvt_features",
        "pvt_db_name",
        "pvt_deleted",
        "pvt_module_name",
        "pvt_module_data",
        "pvt_used_by",
        "pvt_created",
        "pvt_modified",
        "used_by",
        "cnam",
        "id",
    ]
)
_VALUES = _JSON | st.sampled_from(["in_service", "reserved", "aging", CHILD, RESELLER, "undefined", "", True, ["cnam"]])
_FIELDS = st.dictionaries(
    _OURS | st.text(max_size=8).filter(lambda name: not name.startswith("_") and name != "pvt_type"),
    _VALUES,
    max_size=8,
)
_TYPES = st.sampled_from([{}, {"pvt_type": "number"}])


def _documents(stores: RealStores) -> dict[str, bytes]:
    """Each document as JSON text, without what the page says is not kept."""
    return {
        str(document["_id"]): orjson.dumps(
            {name: value for name, value in document.items() if name not in {"_rev", "pvt_modified"}}
        )
        for name in stores.databases.names("numbers/+")
        for page in stores.databases.database(name).all_documents(100)
        for document in page
    }


def _exported(stores: RealStores) -> bytes:
    written: list[bytes] = []
    export = Export(stores.databases, written.append, "jsonl")
    assert export.run(export.shards()).skipped_documents == []
    return b"".join(written)


def _imported(manager: Manager, text: bytes, results: Path | None = None, **options: Any) -> Report:
    journal = Journal.open(results, Header({"command": "test", "dry_run": False}, ""), 63877497874)
    return BulkRun(manager.manager, journal).run(
        formats.read(io.BufferedReader(io.BytesIO(text)), "-", ImportOptions(**options))
    )


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_IDS, st.tuples(_TYPES, _FIELDS), min_size=1, max_size=12))
def test_any_document_comes_back_as_it_was(
    manager: Manager, stores: RealStores, found: dict[str, tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    for name in stores.databases.names("numbers/+"):
        stores.databases.database(name).drop()
    stores.databases.database(SHARD).create()
    stores.databases.database(SHARD).put_many(
        [{"_id": each, **kind, **fields} for each, (kind, fields) in found.items()]
    )
    before = _documents(stores)
    text = _exported(stores)
    stores.databases.database(SHARD).drop()

    report = _imported(manager, text)

    assert report.statuses == {"done": len(found)}, report.refused
    assert _documents(stores) == before
    again = _imported(manager, text)
    deleted = sum(b'"pvt_deleted":true' in document for document in before.values())
    assert again.statuses.get("refused") is None
    assert again.statuses.get("unchanged", 0) + again.statuses.get("done", 0) == len(found)
    assert again.statuses.get("done", 0) <= deleted, "what stands as it was exported is left alone"


@pytest.mark.parametrize(
    "document",
    [
        {"_id": "+1415887", "pvt_state": "in_service", "pvt_assigned_to": CHILD},
        {"_id": "+14158870000", "pvt_state": "in_service", "pvt_number_state": "reserved", "pvt_assigned_to": CHILD},
        {"_id": "+14158870001", "pvt_number_state": "in_service", "pvt_db_name": "numbers/+1416"},
    ],
    ids=["no number of any dial plan", "two states", "another database's name"],
)
def test_handwritten_document_is_imported_unchanged(
    manager: Manager, stores: RealStores, document: dict[str, Any]
) -> None:
    report = _imported(manager, orjson.dumps(document))

    assert report.statuses == {"done": 1}, report.refused
    stands = dict(stores.databases.database(SHARD).get(document["_id"]))
    assert {name: stands[name] for name in stands if name not in {"_rev", "pvt_modified"}} == document


@pytest.mark.parametrize(
    ("identifier", "arguments"),
    [("14158870000", "doesn't begin with"), ("+14A5887", "no database called"), ("+141", "too short")],
)
def test_document_id_that_no_lookup_finds_is_refused(manager: Manager, identifier: str, arguments: str) -> None:
    report = _imported(manager, orjson.dumps({"_id": identifier, "pvt_state": "in_service"}))

    assert report.statuses == {"refused": 1}
    assert arguments in report.refused[0]["message"]


def test_account_restores_no_documents_of_its_own_making(manager: Manager) -> None:
    report = _imported(manager, orjson.dumps({"_id": "+1415887", "pvt_state": "in_service"}), auth_by=RESELLER)

    assert report.refused[0]["error"] == "not_reconcilable"


def test_document_as_large_as_couchdb_takes_is_one_line(manager: Manager, stores: RealStores) -> None:
    document = {"_id": "+14158870000", "pvt_state": "in_service", "note": "x" * 3_000_000}

    assert _imported(manager, orjson.dumps(document)).statuses == {"done": 1}
    assert stores.databases.database(SHARD).get("+14158870000")["note"] == document["note"]


def test_document_too_deep_is_refused_in_words(manager: Manager) -> None:
    text = b'{"_id":"+14158870000","deep":' + b"[" * 400 + b"]" * 400 + b"}"
    (row,) = json_rows.read(io.BytesIO(text), ImportOptions())
    assert row.request is not None
    (outcome,) = manager.manager.carry_out([row.request])

    assert outcome.error is not None
    assert "leave it out" in outcome.error.message


def test_document_too_deep_to_be_put_back_is_exported_all_the_same() -> None:
    """A CouchDB takes any depth; the backup holds what it gave."""
    text = b'{"_id":"+14158870000","deep":' + b"[" * 400 + b"]" * 400 + b"}\n"

    class Deep:
        def database(self, _: str) -> Self:
            return self

        def all_documents(self, *_: object) -> list[list[Any]]:
            return [[orjson.loads(text)]]

    written: list[bytes] = []
    Export(cast("CouchServer", Deep()), written.append, "jsonl").run([SHARD])

    assert b"".join(written) == text
