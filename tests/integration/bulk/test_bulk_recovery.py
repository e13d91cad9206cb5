"""Runs that are killed and resumed: every row runs once, whatever happens in between."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.bulk import formats, number_rows
from router.bulk.journal import Journal
from router.bulk.journal_header import Header
from router.bulk.records import ImportOptions
from router.bulk.rows import InvalidFileError, Rows
from router.bulk.run import BulkRun
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.numbers import gregorian
from tests.integration.bulk.runs import HEADER, NUMBERS, Bulk, csv
from tests.integration.manager_stores import CHILD, RESELLER


@pytest.mark.parametrize("torn", [False, True])
def test_resume_finished_batch_without_results_is_not_repeated(bulk: Bulk, *, torn: bool) -> None:
    bulk.imported(csv(*NUMBERS))
    bulk.lose(4, torn=torn)

    report = bulk.imported(csv(*NUMBERS))

    assert (report.resumed_rows, report.rows, report.recovered) == (4, 4, 4)
    assert [result["row"] for result in bulk.rows] == list(range(2, 10))
    assert {result["status"] for result in bulk.rows} == {"done"}
    assert all(bulk.document(number)["_rev"].startswith("1-") for number in NUMBERS)


def test_resume_recreated_number_is_recognised(bulk: Bulk) -> None:
    bulk.manager.created(*NUMBERS)
    for number in NUMBERS:
        bulk.manager.done("delete", number)
    bulk.imported(csv(*NUMBERS))
    bulk.lose(4)

    report = bulk.imported(csv(*NUMBERS))

    assert (report.rows, report.recovered) == (4, 4)
    assert {result["status"] for result in bulk.rows} == {"done"}
    assert all(bulk.document(number)["_rev"].startswith("3-") for number in NUMBERS)


def test_resume_completes_copies_and_cache(bulk: Bulk) -> None:
    """Killed after the number document was written: the account's copy and the cache are still behind."""
    bulk.imported(csv(*NUMBERS))
    bulk.lose(4)
    copies = f"account/{CHILD[:2]}/{CHILD[2:4]}/{CHILD[4:]}"
    copy = bulk.stores.databases.database(copies).get("phone_numbers")
    bulk.stores.databases.database(copies).delete("phone_numbers", str(copy["_rev"]))
    bulk.stores.redis.flushall()

    bulk.imported(csv(*NUMBERS))

    copy = bulk.stores.databases.database(copies).get("phone_numbers")
    assert sorted(name for name in copy if name.startswith("+")) == NUMBERS[4:]
    assert bulk.stores.reader.entries(NUMBERS[4:]).count(None) == 0


def test_resume_begun_rows_are_carried_out(bulk: Bulk) -> None:
    bulk.imported(csv(*NUMBERS))
    bulk.lose(3)
    bulk.manager.done("delete", NUMBERS[6])

    report = bulk.imported(csv(*NUMBERS))

    assert (report.rows, report.recovered) == (3, 2)
    assert bulk.rows[6]["revision"] == bulk.document(NUMBERS[6])["_rev"]


def test_resume_number_of_another_client_is_not_claimed(bulk: Bulk) -> None:
    bulk.imported(csv(*NUMBERS))
    bulk.lose(1)
    bulk.manager.done("delete", NUMBERS[7])
    bulk.manager.created(NUMBERS[7], assign_to=RESELLER)

    bulk.imported(csv(*NUMBERS))

    assert bulk.rows[-1]["error"] == "number_exists"


def test_resume_release_is_never_repeated(bulk: Bulk) -> None:
    """Twice would take it from who reserved it before, too."""
    bulk.manager.created(*NUMBERS[:4], assign_to=RESELLER)
    for account in (RESELLER, CHILD):
        bulk.manager.all_done(
            [OperationRequest(Operation.RESERVE, number, SYSTEM, assign_to=account) for number in NUMBERS[:4]]
        )
    text = "\n".join(NUMBERS[:4]).encode()

    def rows() -> Iterator[Any]:
        return number_rows.read(io.BytesIO(text), OperationRequest(Operation.RELEASE, "", SYSTEM))

    bulk.run(rows())
    bulk.lose(2)
    bulk.manager.done("update", NUMBERS[2], public_fields={"note": "by somebody else"})
    report = bulk.run(rows())

    assert report.recovered == 2
    assert [(result["status"], result["error"]) for result in bulk.rows] == [
        ("done", None),
        ("done", None),
        ("refused", "conflict"),
        ("done", None),
    ]
    for number in NUMBERS[:4]:
        document = bulk.document(number)
        assert (document["pvt_number_state"], document["pvt_assigned_to"]) == ("reserved", RESELLER)


def test_resume_release_killed_repeatedly_is_never_repeated(bulk: Bulk) -> None:
    bulk.manager.created(*NUMBERS[:6], assign_to=RESELLER)
    for account in (RESELLER, CHILD):
        bulk.manager.all_done(
            [OperationRequest(Operation.RESERVE, number, SYSTEM, assign_to=account) for number in NUMBERS[:6]]
        )

    def rows(count: int) -> Iterator[Any]:
        return number_rows.read(
            io.BytesIO("\n".join(NUMBERS[:count]).encode()), OperationRequest(Operation.RELEASE, "", SYSTEM)
        )

    bulk.run(rows(4), batch=2, in_flight=1)  # the fourth row's result is lost
    bulk.lose(1)
    assert bulk.run(rows(6), batch=10).recovered == 1  # and then those of all in its batch
    bulk.lose(3)
    assert bulk.run(rows(6), batch=1).recovered == 3

    for number in NUMBERS[:6]:
        document = bulk.document(number)
        assert (document["pvt_number_state"], document["pvt_assigned_to"]) == ("reserved", RESELLER)


@pytest.mark.parametrize("spelled", [NUMBERS[0], "(415) 886-7900"])
@pytest.mark.parametrize("done", [0, 1, 2])
def test_resume_two_rows_of_a_number_run_once_each(bulk: Bulk, done: int, spelled: str) -> None:
    """Killed after the first was written, the second must not be taken for done, and the first not be done again."""
    bulk.manager.created(NUMBERS[0])
    bulk.manager.done("reserve", NUMBERS[0], assign_to=RESELLER)
    text = f"e164,action,account_id\n{NUMBERS[0]},move,{CHILD}\n{spelled},release,\n"

    class Killed(Exception):
        pass

    class Dying:
        """Dies with its answer when it has changed the number so many times."""

        def carry_out(self, asks: Any) -> Any:
            outcomes = []
            for ask in asks:
                changes = ask.operation in (Operation.MOVE, Operation.RELEASE)
                if changes and int(bulk.document(NUMBERS[0])["_rev"].partition("-")[0]) == 2 + done:
                    raise Killed
                outcomes += bulk.manager.manager.carry_out([ask])
            if done and outcomes and int(bulk.document(NUMBERS[0])["_rev"].partition("-")[0]) == 2 + done:
                raise Killed
            return outcomes

    def rows() -> Rows:
        return formats.read(io.BufferedReader(io.BytesIO(text.encode())), "-", ImportOptions())

    def normalise(written: str) -> str:
        return bulk.manager.manager.rules().normaliser.e164(written).number

    with pytest.raises(Killed):
        BulkRun(Dying(), Journal.open(bulk.results, HEADER, 63877497874), normalise=normalise).run(rows())

    report = bulk.run(rows(), normalise=normalise)

    assert [result["status"] for result in bulk.rows] == ["done", "done"]
    assert report.statuses.get("refused") is None
    stands = bulk.document(NUMBERS[0])
    assert (stands["pvt_assigned_to"], stands["pvt_number_state"]) == (RESELLER, "reserved")
    assert stands["_rev"].startswith("4-")


def test_resume_number_of_an_earlier_import_is_not_claimed(bulk: Bulk) -> None:
    row = f"e164,account_id,created\n{NUMBERS[0]},{CHILD},63800000000\n"
    bulk.imported(row)
    bulk.lose(1)
    later = gregorian.from_unix(int(time.time())) + 60
    bulk.results.write_bytes(bulk.results.read_bytes().replace(b'"started":63877497874', b'"started":%d' % later))

    bulk.imported(row)

    assert bulk.rows[0]["error"] == "number_exists"


def test_resume_other_input_or_options_are_refused(bulk: Bulk) -> None:
    bulk.imported(csv(NUMBERS[0]))

    with pytest.raises(InvalidFileError, match="results of another input"):
        Journal.open(bulk.results, Header(HEADER.options, "sha256:2"), 0)
    with pytest.raises(InvalidFileError, match=r"another command \(test\)"):
        Journal.open(bulk.results, Header({"command": "other", "dry_run": False}, "sha256:1"), 0)
    with pytest.raises(InvalidFileError, match="holds something other than a dry run's results"):
        Journal.open(bulk.results, Header({"command": "test", "dry_run": True}, "sha256:1"), 0, afresh=True)
    bulk.results.write_bytes(b"e164,state\n")
    with pytest.raises(InvalidFileError, match="holds something other than results"):
        Journal.open(bulk.results, HEADER, 0)


def test_open_results_of_a_running_run_are_refused(bulk: Bulk) -> None:
    first = Journal.open(bulk.results, HEADER, 0)
    for header, afresh in ((HEADER, False), (Header({"command": "test", "dry_run": True}, ""), True)):
        with pytest.raises(InvalidFileError, match="another run is writing"):
            Journal.open(bulk.results, header, 0, afresh=afresh)
    first.close()
    assert len(bulk.results.read_bytes().splitlines()) == 1
    Journal.open(bulk.results, HEADER, 0).close()


def test_write_full_disk_is_an_error_with_a_remedy() -> None:
    with pytest.raises(OSError, match="make room and run it again"):
        Journal.open(Path("/dev/full"), HEADER, 0)
