"""Runs over files: every row once, whatever happens in between; and what is exported comes back the same."""

import io
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from router.bulk import formats, number_rows
from router.bulk.export import Export
from router.bulk.journal import Journal
from router.bulk.journal_header import Header
from router.bulk.records import ImportOptions
from router.bulk.results import Report
from router.bulk.rows import InvalidFileError, Row, Rows
from router.bulk.run import BulkRun
from router.cli.sample_numbers import number_documents
from router.embedded import EmbeddedCouchDB
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.numbers import gregorian
from tests.integration.manager_world import CHILD, INVENTORY, MASTER, RESELLER, SHARD, Manager, family
from tests.integration.world import World

HEADER = Header({"command": "test", "dry_run": False}, "sha256:1")


class Bulk:
    """Runs, all with results in one file."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.manager = Manager(world)
        self.results = folder / "results.jsonl"

    def run(self, rows: Iterable[Row], *, batch: int = 3, header: Header = HEADER, **more: Any) -> Report:
        """One run; it goes on with what is there."""
        journal = Journal.open(self.results, header, 63877497874)
        return BulkRun(self.manager.manager, journal, batch=batch, **more).run(rows)

    def imported(self, text: str, **options: Any) -> Report:
        """A run over CSV or JSON lines."""
        return self.run(formats.read(io.BufferedReader(io.BytesIO(text.encode())), "-", ImportOptions(**options)))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All results there are."""
        return [result for result in map(orjson.loads, self.results.read_bytes().splitlines()) if "row" in result]

    def lose(self, count: int, *, torn: bool = False) -> None:
        """As if killed before the last results were written."""
        lines = self.results.read_bytes().splitlines(keepends=True)
        kept = b"".join(lines[:-count])
        self.results.write_bytes(kept + (lines[-count][:10] if torn else b""))

    def document(self, number: str, database: str = SHARD) -> dict[str, Any]:
        return dict(self.world.databases.database(database).get(number))


@pytest.fixture
def bulk(world: World, tmp_path: Path) -> Bulk:
    family(world)
    return Bulk(world, tmp_path)


def csv(*numbers: str, account: str = CHILD) -> str:
    return "e164,account_id\n" + "".join(f"{number},{account}\n" for number in numbers)


NUMBERS = [f"+1415886790{digit}" for digit in range(8)]


def test_every_row_has_a_result_in_the_files_order(bulk: Bulk) -> None:
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


@pytest.mark.parametrize("torn", [False, True])
def test_a_batch_under_way_at_the_kill_is_not_done_again(bulk: Bulk, *, torn: bool) -> None:
    bulk.imported(csv(*NUMBERS))
    bulk.lose(4, torn=torn)

    report = bulk.imported(csv(*NUMBERS))

    assert (report.resumed_rows, report.rows, report.recovered) == (4, 4, 4)
    assert [result["row"] for result in bulk.rows] == list(range(2, 10))
    assert {result["status"] for result in bulk.rows} == {"done"}
    assert all(bulk.document(number)["_rev"].startswith("1-") for number in NUMBERS)


def test_numbers_that_were_deleted_before_are_known_again_after_a_kill(bulk: Bulk) -> None:
    bulk.manager.created(*NUMBERS)
    for number in NUMBERS:
        bulk.manager.done("delete", number)
    bulk.imported(csv(*NUMBERS))
    bulk.lose(4)

    report = bulk.imported(csv(*NUMBERS))

    assert (report.rows, report.recovered) == (4, 4)
    assert {result["status"] for result in bulk.rows} == {"done"}
    assert all(bulk.document(number)["_rev"].startswith("3-") for number in NUMBERS)


def test_what_followed_a_change_is_made_up_for(bulk: Bulk) -> None:
    """Killed after the number document was written: the account's copy and the cache are still behind."""
    bulk.imported(csv(*NUMBERS))
    bulk.lose(4)
    copies = f"account/{CHILD[:2]}/{CHILD[2:4]}/{CHILD[4:]}"
    copy = bulk.world.databases.database(copies).get("phone_numbers")
    bulk.world.databases.database(copies).delete("phone_numbers", str(copy["_rev"]))
    bulk.world.redis.flushall()

    bulk.imported(csv(*NUMBERS))

    copy = bulk.world.databases.database(copies).get("phone_numbers")
    assert sorted(name for name in copy if name.startswith("+")) == NUMBERS[4:]
    assert bulk.world.reader.entries(NUMBERS[4:]).count(None) == 0


def test_rows_that_were_begun_and_not_done_are_done(bulk: Bulk) -> None:
    bulk.imported(csv(*NUMBERS))
    bulk.lose(3)
    bulk.manager.done("delete", NUMBERS[6])

    report = bulk.imported(csv(*NUMBERS))

    assert (report.rows, report.recovered) == (3, 2)
    assert bulk.rows[6]["revision"] == bulk.document(NUMBERS[6])["_rev"]


def test_a_strangers_number_is_not_taken_for_ones_own(bulk: Bulk) -> None:
    bulk.imported(csv(*NUMBERS))
    bulk.lose(1)
    bulk.manager.done("delete", NUMBERS[7])
    bulk.manager.created(NUMBERS[7], assign_to=RESELLER)

    bulk.imported(csv(*NUMBERS))

    assert bulk.rows[-1]["error"] == "number_exists"


def test_a_release_is_never_done_twice(bulk: Bulk) -> None:
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


def test_nor_when_it_is_killed_again_and_again(bulk: Bulk) -> None:
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
def test_of_two_rows_of_one_number_each_is_done_once(bulk: Bulk, done: int, spelled: str) -> None:
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


def test_what_another_import_made_before_is_not_taken_for_ones_own(bulk: Bulk) -> None:
    row = f"e164,account_id,created\n{NUMBERS[0]},{CHILD},63800000000\n"
    bulk.imported(row)
    bulk.lose(1)
    later = gregorian.from_unix(int(time.time())) + 60
    bulk.results.write_bytes(bulk.results.read_bytes().replace(b'"started":63877497874', b'"started":%d' % later))

    bulk.imported(row)

    assert bulk.rows[0]["error"] == "number_exists"


def test_another_input_or_other_options_are_refused(bulk: Bulk) -> None:
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


def test_two_runs_never_write_the_same_results(bulk: Bulk) -> None:
    first = Journal.open(bulk.results, HEADER, 0)
    for header, afresh in ((HEADER, False), (Header({"command": "test", "dry_run": True}, ""), True)):
        with pytest.raises(InvalidFileError, match="another run is writing"):
            Journal.open(bulk.results, header, 0, afresh=afresh)
    first.close()
    assert len(bulk.results.read_bytes().splitlines()) == 1
    Journal.open(bulk.results, HEADER, 0).close()


def test_results_that_find_no_room_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(OSError, match="make room and run it again"):
        Journal.open(Path("/dev/full"), HEADER, 0)


def test_rows_of_one_number_are_done_in_their_order(bulk: Bulk) -> None:
    """However many batches are under way at a time, and however the number is written."""
    text = "action,e164,account_id\ncreate,4158867900,{0}\n" + "move,+14158867900,{1}\nmove,14158867900,{0}\n" * 10
    rows = formats.read(io.BufferedReader(io.BytesIO(text.format(CHILD, RESELLER).encode())), "-", ImportOptions())
    normalise = bulk.manager.manager.rules().normaliser

    report = bulk.run(rows, batch=1, in_flight=4, normalise=lambda number: normalise.e164(number).number)

    assert report.statuses == {"done": 21}
    assert bulk.document(NUMBERS[0])["_rev"].startswith("21-")


def test_update_moves_and_changes_what_exists(bulk: Bulk) -> None:
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


def test_a_past_is_taken_over_from_the_system_alone(bulk: Bulk) -> None:
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


def all_documents(world: World) -> dict[str, dict[str, Any]]:
    """But for what each writing changes."""
    return {
        str(document["_id"]): {name: value for name, value in document.items() if name not in {"_rev", "pvt_modified"}}
        for name in world.databases.names("numbers/+")
        for page in world.databases.database(name).all_documents(1000)
        for document in page
    }


def exported(world: World, form: Any, account: str | None = None) -> str:
    written: list[bytes] = []
    export = Export(world.databases, written.append, form)
    export.run(export.shards(), account)
    return b"".join(written).decode()


def test_documents_of_every_generation_come_back_as_they_were(bulk: Bulk) -> None:
    documents = dict(list(number_documents().items())[:60])
    for name, found in documents.items():
        bulk.world.create(name)
        bulk.world.databases.database(name).put_many(found)
    before = all_documents(bulk.world)
    text = exported(bulk.world, "jsonl")
    for name in documents:
        bulk.world.databases.database(name).drop()

    report = bulk.imported(text)

    assert report.statuses == {"done": len(before)}
    assert all_documents(bulk.world) == before


def test_numbers_come_back_from_csv_as_they_were(bulk: Bulk) -> None:
    fields = {"prepend": {"enabled": True, "name": 'Sales, "A"', "number": "+1"}, "force_outbound": False}
    bulk.manager.created(NUMBERS[0], public_fields=fields)
    bulk.manager.created(NUMBERS[1], assign_to=RESELLER, state="reserved")
    bulk.manager.created(NUMBERS[2], assign_to=None, state="available")
    bulk.manager.done("move", NUMBERS[1], assign_to=CHILD)
    bulk.manager.done("assign_to_app", NUMBERS[1], used_by="trunkstore")
    bulk.manager.created("+442079460018", state="port_in")
    before = all_documents(bulk.world)
    text = exported(bulk.world, "csv")
    assert exported(bulk.world, "csv", RESELLER).count("\n") == 1, "only the header: it has none now"
    for name in bulk.world.databases.names("numbers/+"):
        bulk.world.databases.database(name).drop()

    report = bulk.imported(text)

    assert report.statuses == {"done": 4}, bulk.rows
    assert all_documents(bulk.world) == before


def test_a_store_that_is_away_for_a_moment(bulk: Bulk, couchdb: EmbeddedCouchDB) -> None:
    """The run waits for it; nothing is lost and nothing done twice."""
    url, done = couchdb.url, []

    class Stumbling:
        def carry_out(self, asks: Any) -> Any:
            done.append(len(asks))
            if len(done) == 2:  # done, and its answer lost
                bulk.manager.manager.carry_out(asks)
                return Manager(bulk.world, couchdb_url="http://127.0.0.1:1").manager.carry_out(asks)
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
def test_what_is_reported_of_a_new_number_is_what_stands(bulk: Bulk, asked: dict[str, Any]) -> None:
    """It isn't read once more to be told."""
    ask = OperationRequest(
        Operation.CREATE, NUMBERS[0], SYSTEM, **{"assign_to": CHILD, "module_name": INVENTORY, **asked}
    )
    (reported,) = bulk.manager.manager.carry_out([ask])
    (stands,) = bulk.manager.manager.carry_out([OperationRequest(Operation.GET, NUMBERS[0], SYSTEM)])

    assert reported.error is None
    assert reported.document == stands.document


def test_numbers_taken_for_new_that_exist_are_decided_by_what_stands(bulk: Bulk) -> None:
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
    assert bulk.world.reader.entries(NUMBERS[:4]).count(None) == 0
