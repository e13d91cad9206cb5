"""JSON lines: documents, records, and what is neither."""

import io
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.bulk import formats, json_rows
from router.bulk.records import ImportOptions
from router.bulk.rows import Row
from router.cli.sample_numbers import number_documents

ACCOUNT = "4cad0b7f" * 4


def rows(*lines: Any, **options: Any) -> list[Row]:
    raw = b"".join((line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in lines)
    return list(json_rows.read(io.BytesIO(raw), ImportOptions(**options)))


def test_read_missing_number_is_refused_by_key() -> None:
    (row,) = rows({"account_id": ACCOUNT})

    assert row.error is not None
    assert row.error.message == "there is no field e164, and it holds the number"


def test_read_incomplete_object_is_refused() -> None:
    (row,) = rows(b'[{"e164": "+14158867900"},')

    assert row.error is not None
    assert row.error.message.endswith("a line holds one whole object")


def test_read_every_document_generation_is_restored_whole() -> None:
    documents = [document for found in number_documents().values() for document in found]

    found = rows(*documents)

    assert len(found) == len(documents)
    for row, document in zip(found, documents, strict=True):
        assert row.request is not None, row.error
        assert row.request.imported is not None
        assert row.request.imported.document == document
        assert row.request.number == document["_id"]


def test_read_document_by_an_account_creates_its_number() -> None:
    document = {
        "_id": "+14158867900",
        "pvt_state": "in_service",
        "pvt_assigned_to": ACCOUNT,
        "pvt_created": 63877497874,
    }
    (row,) = rows(document | {"prepend": {"name": "x"}}, auth_by=ACCOUNT)

    assert row.request is not None
    assert (row.request.imported, row.request.assign_to, row.request.state) == (None, ACCOUNT, "in_service")
    assert row.request.public_fields == {"prepend": {"name": "x"}}


def test_read_column_names_are_accepted() -> None:
    (row,) = rows(
        {
            "e164": "+14158867900",
            "account_id": ACCOUNT,
            "ported_in": True,
            "created": 63877497874,
            "reserve_history": [ACCOUNT],
            "prepend.enabled": True,
            "state": None,
            "public_fields": {"prepend_to": {"deep": [1]}},
        }
    )

    assert row.request is not None
    assert row.request.public_fields == {"prepend_to": {"deep": [1]}, "prepend": {"enabled": True}}
    assert row.request.imported is not None
    assert (row.request.imported.created, row.request.imported.reserve_history) == (63877497874, (ACCOUNT,))


@pytest.mark.parametrize(
    ("line", "cause", "message"),
    [
        (b"{", "malformed_row", "this is not JSON"),
        (b"[]", "malformed_row", "write one a line, in braces"),
        (b'{"e164": "\xff"}', "not_utf8", "not UTF-8"),
        ({"e164": "+1415", "acount_id": "x"}, "unknown_field", "did you mean account_id?"),
        ({"e164": "+1415", "state": {}}, "state", "objects go into public_fields"),
        ({"e164": "+1415", "public_fields": {"pvt_state": "x"}}, "public_fields", "without pvt_"),
        ({"account_id": ACCOUNT}, "unknown_field", "e164"),
        ({"_id": "_design/numbers"}, "malformed_document", "a design document"),
        ({"_id": "+14158867900", "pvt_type": "account"}, "malformed_document", "pvt_type"),
        ({"_id": "14158867900"}, "malformed_document", "doesn't begin with '+'"),
    ],
)
def test_read_bad_line_fails_alone(line: Any, cause: str, message: str) -> None:
    bad, good = rows(line, {"e164": "+1416"})

    assert bad.error is not None
    assert (bad.line, bad.request, bad.error.cause) == (1, None, cause)
    assert message in bad.error.message
    assert (good.line, good.number) == (2, "+1416")


@given(st.binary(max_size=300))
def test_read_arbitrary_json_never_raises(noise: bytes) -> None:
    assert all(
        (row.request is None) != (row.error is None) for row in json_rows.read(io.BytesIO(noise), ImportOptions())
    )


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("a.jsonl", b'{"e164": "+1415"}'),
        ("a", b' \n{"e164": "+1415"}'),
        ("-", b'\xef\xbb\xbf{"e164": "+1415"}'),
        ("a.csv", b"e164\n+1415"),
        ("a.txt", b"e164\n+1415"),
    ],
)
def test_formats_read_detects_the_format(name: str, raw: bytes) -> None:
    file = io.BufferedReader(io.BytesIO(raw))

    assert [row.number for row in formats.read(file, name, ImportOptions())] == ["+1415"]


def test_read_oversized_line_is_one_row() -> None:
    tail = orjson.dumps({"e164": "+14158867901", "account_id": ACCOUNT})
    bad, good = rows(b" " * (16 << 20) + tail, {"e164": "+14158867900"})

    assert (bad.line, bad.request) == (1, None)
    assert bad.error is not None
    assert "longer than 16 mebibytes" in bad.error.message
    assert (good.line, good.number) == (2, "+14158867900")


def test_read_names_ignore_case_and_spaces() -> None:
    (row,) = rows({"E164": "+14158867900", " account_id ": ACCOUNT, "opaque. a": "x"})

    assert row.request is not None, row.error
    assert (row.number, row.request.assign_to, row.request.public_fields) == ("+14158867900", ACCOUNT, {"a": "x"})


def test_read_unnamed_field_has_a_cause() -> None:
    (row,) = rows({"e164": "+1", "": {}})

    assert row.error is not None
    assert row.error.cause == "unknown_field"
