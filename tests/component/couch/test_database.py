"""Documents of one database: read, written and listed."""

import pytest

from router.couch.errors import (
    ConflictError,
    NotFoundError,
)
from router.couch.server import CouchServer


def test_missing_document_and_a_missing_database_are_reported_apart(databases: CouchServer) -> None:
    with pytest.raises(NotFoundError, match="Database does not exist"):
        databases.database("numbers/+1415").get("+14158867900")
    databases.database("numbers/+1415").create()
    with pytest.raises(NotFoundError, match="missing"):
        databases.database("numbers/+1415").get("+14158867900")
    revision = databases.database("numbers/+1415").put({"_id": "+14158867900"})
    databases.database("numbers/+1415").delete("+14158867900", revision)
    with pytest.raises(NotFoundError, match="deleted"):
        databases.database("numbers/+1415").get("+14158867900")


def test_writing_against_another_revision_is_a_conflict(databases: CouchServer) -> None:
    databases.database("numbers/+1415").create()
    databases.database("numbers/+1415").put({"_id": "+14158867900"})
    with pytest.raises(ConflictError):
        databases.database("numbers/+1415").put({"_id": "+14158867900"})
    with pytest.raises(ConflictError):
        databases.database("numbers/+1415").create()


def test_names_with_plus_and_slash_arrive_as_they_are(databases: CouchServer) -> None:
    databases.database("numbers/+1415").create()
    databases.database("numbers/+1415").put({"_id": "+1415 886/79%2B00"})
    assert databases.database("numbers/+1415").get("+1415 886/79%2B00")["_id"] == "+1415 886/79%2B00"
    assert [page[0]["_id"] for page in databases.database("numbers/+1415").all_documents(10)] == ["+1415 886/79%2B00"]
    assert databases.names("numbers/") == ["numbers/+1415"]


def test_many_documents_at_once_tell_which_are_missing(databases: CouchServer) -> None:
    databases.database("numbers/+1415").create()
    databases.database("numbers/+1415").put_many([{"_id": "+14150000001"}, {"_id": "+14150000002"}])
    found = databases.database("numbers/+1415").get_many(["+14150000002", "+14150000009", "+14150000001"])
    assert {name: document and document["_id"] for name, document in found.items()} == {
        "+14150000002": "+14150000002",
        "+14150000009": None,
        "+14150000001": "+14150000001",
    }
    assert databases.database("numbers/+1999").get_many(["+19990000001"]) == {"+19990000001": None}


def test_deleted_documents_are_missing_among_many(databases: CouchServer) -> None:
    databases.database("numbers/+1415").create()
    revision = databases.database("numbers/+1415").put({"_id": "+14150000001"})
    databases.database("numbers/+1415").delete("+14150000001", revision)
    assert databases.database("numbers/+1415").get_many(["+14150000001"]) == {"+14150000001": None}


def test_pages_of_documents_leave_none_out_and_show_none_twice(databases: CouchServer) -> None:
    databases.database("numbers/+1415").create()
    wanted = [f"+14150000{index:03}" for index in range(25)]
    databases.database("numbers/+1415").put_many([{"_id": each} for each in wanted])
    for size in (1, 5, 24, 25, 26):
        pages = list(databases.database("numbers/+1415").all_documents(size))
        assert [document["_id"] for page in pages for document in page] == wanted
