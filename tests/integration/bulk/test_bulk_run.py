"""Runs over files: operations, order and retries."""

import io
from typing import Any

import pytest

from router.bulk import formats
from router.bulk.journal import Journal
from router.bulk.records import ImportOptions
from router.bulk.run import BulkRun
from router.embedded import EmbeddedCouchDB
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from tests.integration.bulk.runs import HEADER, NUMBERS, Bulk, csv
from tests.integration.manager_stores import CHILD, INVENTORY, MASTER, RESELLER, Manager


def test_run_each_row_has_a_result_in_file_order(bulk: Bulk) -> None:
    report = bulk.imported(csv(NUMBERS[0], "911", NUMBERS[1], NUMBERS[0], "(415) 886-7902"))

    assert report.statuses == {"done": 3, "refused": 2}
    assert [(result["row"], result["number"], result["status"], result["error"]) for result in bulk.rows] == [
        (2, NUMBERS[0], "done", None),
        (3, "911", "refused", "not_reconcilable"),
        (4, NUMBERS[1], "done", None),
        (5, NUMBERS[0], "refused", "number_exists"),
        (6, NUMBERS[2], "done", None),
    ]
    assert bulk.rows[0]["revision"] == bulk.document(NUMBERS[0])["_rev"]


def test_run_rows_of_a_number_run_in_order(bulk: Bulk) -> None:
    """The order holds for any number of batches at a time, and for each way to write the number."""
    text = "action,e164,account_id\ncreate,4158867900,{0}\n" + "move,+14158867900,{1}\nmove,14158867900,{0}\n" * 10
    rows = formats.read(io.BufferedReader(io.BytesIO(text.format(CHILD, RESELLER).encode())), "-", ImportOptions())
    normalise = bulk.manager.manager.rules().normaliser

    report = bulk.run(rows, batch=1, in_flight=4, normalise=lambda number: normalise.e164(number).number)

    assert report.statuses == {"done": 21}
    assert bulk.document(NUMBERS[0])["_rev"].startswith("21-")


def test_run_update_moves_and_changes_existing_numbers(bulk: Bulk) -> None:
    bulk.manager.created(NUMBERS[0], assign_to=RESELLER)
    row = f"e164,account_id,prepend.enabled,prepend.name,used_by\n{NUMBERS[0]},{CHILD},true,Sales,callflow\n"

    bulk.imported(row)
    refused = bulk.rows
    bulk.results.unlink()
    report = bulk.imported(row, update=True)

    assert refused[0]["error"] == "number_exists"
    assert report.statuses == {"done": 1}
    document = bulk.document(NUMBERS[0])
    assert (document["pvt_assigned_to"], document["pvt_previously_assigned_to"]) == (CHILD, RESELLER)
    assert (document["pvt_used_by"], document["prepend"]) == ("callflow", {"enabled": True, "name": "Sales"})
    assert document["pvt_features"] == ["prepend"]


def test_run_history_is_imported_for_the_system_only(bulk: Bulk) -> None:
    columns = "e164,account_id,carrier_module,created,previously_assigned_to,reserve_history,used_by,ported_in"
    past = f"{CHILD},{INVENTORY},63800000000,{MASTER},{CHILD} {RESELLER},callflow,true"

    bulk.imported(f"{columns}\n{NUMBERS[0]},{past}\n")
    bulk.results.unlink()
    bulk.imported(f"{columns}\n{NUMBERS[1]},{past}\n", auth_by=RESELLER)

    theirs, ours = bulk.document(NUMBERS[1]), bulk.document(NUMBERS[0])
    assert (ours["pvt_created"], ours["pvt_previously_assigned_to"]) == (63800000000, MASTER)
    assert (ours["pvt_reserve_history"], ours["pvt_used_by"]) == ([CHILD, RESELLER], "callflow")
    assert theirs["pvt_created"] > 63800000000
    assert theirs["pvt_reserve_history"] == []
    assert not {"pvt_previously_assigned_to", "pvt_used_by"} & theirs.keys()
    assert ours["pvt_ported_in"] is theirs["pvt_ported_in"] is True


def test_run_store_unavailable_for_a_moment_is_retried(bulk: Bulk, couchdb: EmbeddedCouchDB) -> None:
    """The run waits for it; nothing is lost and nothing done twice."""
    url, done = couchdb.url, []

    class Stumbling:
        def carry_out(self, asks: Any) -> Any:
            done.append(len(asks))
            if len(done) == 2:  # done, and its answer lost
                bulk.manager.manager.carry_out(asks)
                return Manager(bulk.stores, couchdb_url="http://127.0.0.1:1").manager.carry_out(asks)
            return bulk.manager.manager.carry_out(asks)

    journal = Journal.open(bulk.results, HEADER, 63877497874)
    rows = formats.read(io.BufferedReader(io.BytesIO(csv(*NUMBERS).encode())), "-", ImportOptions())
    report = BulkRun(Stumbling(), journal, batch=3, in_flight=1).run(rows)

    assert url == couchdb.url
    assert report.statuses == {"done": 8}
    assert report.recovered == 3
    assert all(bulk.document(number)["_rev"].startswith("1-") for number in NUMBERS)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"state": "reserved"},
        {"state": "available", "assign_to": None},
        {"state": "port_in", "public_fields": {"port": {"billing_name": "Acme"}, "note": [1]}},
        {"public_fields": {"prepend": {"enabled": True, "name": "Sales"}}},
        {"public_fields": {"force_outbound": True, "ringback": {"early": "m1", "transfer": "m2"}}},
        {"public_fields": {"cnam": {"display_name": "ACME", "inbound_lookup": True}}, "ported_in": True},
        {"public_fields": {"e911": {"street_address": "1 A St", "locality": "B", "region": "CA", "postal_code": "9"}}},
        {"module_name": "knm_local"},
    ],
)
def test_run_guessed_new_number_reports_the_stored_document(bulk: Bulk, asked: dict[str, Any]) -> None:
    """The document is not read once more for the report."""
    ask = OperationRequest(
        Operation.CREATE, NUMBERS[0], SYSTEM, **{"assign_to": CHILD, "module_name": INVENTORY, **asked}
    )
    (reported,) = bulk.manager.manager.carry_out([ask])
    (stands,) = bulk.manager.manager.carry_out([OperationRequest(Operation.GET, NUMBERS[0], SYSTEM)])

    assert reported.error is None
    assert reported.document == stands.document


def test_run_guessed_number_that_exists_is_decided_again(bulk: Bulk) -> None:
    """An import's numbers aren't read first; whatever is there counts all the same."""
    bulk.manager.created(NUMBERS[0], assign_to=RESELLER)
    bulk.manager.created(NUMBERS[1], assign_to=None, state="available")
    bulk.manager.created(NUMBERS[2])
    bulk.manager.done("delete", NUMBERS[2])

    bulk.imported(csv(*NUMBERS[:4]))

    assert [(result["status"], result["error"]) for result in bulk.rows] == [
        ("refused", "number_exists"),
        ("done", None),
        ("done", None),
        ("done", None),
    ]
    assert [bulk.document(number)["pvt_assigned_to"] for number in NUMBERS[:4]] == [RESELLER, CHILD, CHILD, CHILD]
    assert [bulk.document(number)["_rev"][:2] for number in NUMBERS[:4]] == ["1-", "2-", "3-", "1-"]
    assert bulk.stores.reader.entries(NUMBERS[:4]).count(None) == 0
