"""Exports that are imported again."""

from typing import Any

from router.bulk.export import Export
from router.cli.sample_numbers import number_documents
from tests.integration.bulk.runs import NUMBERS, Bulk
from tests.integration.manager_stores import CHILD, RESELLER
from tests.integration.real_stores import RealStores


def all_documents(stores: RealStores) -> dict[str, dict[str, Any]]:
    """But for what each writing changes."""
    return {
        str(document["_id"]): {name: value for name, value in document.items() if name not in {"_rev", "pvt_modified"}}
        for name in stores.databases.names("numbers/+")
        for page in stores.databases.database(name).all_documents(1000)
        for document in page
    }


def exported(stores: RealStores, form: Any, account: str | None = None) -> str:
    written: list[bytes] = []
    export = Export(stores.databases, written.append, form)
    export.run(export.shards(), account)
    return b"".join(written).decode()


def test_export_documents_of_every_generation_are_restored(bulk: Bulk) -> None:
    documents = dict(list(number_documents().items())[:60])
    for name, found in documents.items():
        bulk.stores.create(name)
        bulk.stores.databases.database(name).put_many(found)
    before = all_documents(bulk.stores)
    text = exported(bulk.stores, "jsonl")
    for name in documents:
        bulk.stores.databases.database(name).drop()

    report = bulk.imported(text)

    assert report.statuses == {"done": len(before)}
    assert all_documents(bulk.stores) == before


def test_export_csv_restores_the_numbers(bulk: Bulk) -> None:
    fields = {"prepend": {"enabled": True, "name": 'Sales, "A"', "number": "+1"}, "force_outbound": False}
    bulk.manager.created(NUMBERS[0], public_fields=fields)
    bulk.manager.created(NUMBERS[1], assign_to=RESELLER, state="reserved")
    bulk.manager.created(NUMBERS[2], assign_to=None, state="available")
    bulk.manager.done("move", NUMBERS[1], assign_to=CHILD)
    bulk.manager.done("assign_to_app", NUMBERS[1], used_by="trunkstore")
    bulk.manager.created("+442079460018", state="port_in")
    before = all_documents(bulk.stores)
    text = exported(bulk.stores, "csv")
    assert exported(bulk.stores, "csv", RESELLER).count("\n") == 1, "only the header: it has none now"
    for name in bulk.stores.databases.names("numbers/+"):
        bulk.stores.databases.database(name).drop()

    report = bulk.imported(text)

    assert report.statuses == {"done": 4}, bulk.rows
    assert all_documents(bulk.stores) == before
