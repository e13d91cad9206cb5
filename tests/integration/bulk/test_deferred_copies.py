"""Account copies that an import leaves for later: fewer writes, and the same lists whatever happens in between."""

import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from router.account_copies import AccountCopies, CopiesMode, CopyChange, NewAccountGuess
from router.account_copies.comparison import CopiesComparison
from router.account_copies.feed_verified_reader import FeedVerifiedReader
from router.account_copies.names import account_database
from router.bulk import formats
from router.bulk.availability import StoreUnavailableError
from router.bulk.journal import Journal
from router.bulk.journal_header import Header
from router.bulk.records import ImportOptions
from router.bulk.results import Report
from router.bulk.run import BulkRun
from router.embedded import EmbeddedCouchDB
from router.lifecycle.operations import Imported, OperationRequest
from router.numbers.documents import NumberDocument, read
from tests.integration.manager_stores import CHILD, INVENTORY, RESELLER, SHARD, Manager, family
from tests.integration.real_stores import RealStores
from tests.integration.relay import Relay

HEADER = Header({"command": "test", "dry_run": False}, "sha256:1")
NUMBERS = [f"+1415886790{digit}" for digit in range(8)]
OTHERS = [f"+4420794600{digit}0" for digit in range(8)]
LISTS = {account: str(account_database(account)) for account in (CHILD, RESELLER)}


class Killed(Exception):
    """As SIGKILL, between two steps."""


class Imports:
    """Runs over the same rows, by way of a relay, all with results in one file."""

    def __init__(self, stores: RealStores, relay: Relay, folder: Path) -> None:
        self.stores = stores
        self.relay = relay
        self.file, self.results = folder / "numbers.csv", folder / "results.jsonl"
        self.manager = Manager(stores, couchdb_url=relay.url).manager
        self.rows([(number, (CHILD, RESELLER)[place % 2]) for place, number in enumerate(NUMBERS)])

    def rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """The rows of the file."""
        self.file.write_text("e164,account_id\n" + "".join(f"{number},{account}\n" for number, account in rows))

    def run(self, *, max_pending_copies: int = 1000, killed: str = "", **options: Any) -> Report:
        """One run; `killed`: before or after copies are written, and before it can say so."""
        copies = self.manager.deferred_copies()

        class Mortal:
            def __len__(self) -> int:
                return len(copies)

            def resume(self, numbers: Any) -> None:
                copies.resume(numbers)

            def write(self) -> Any:
                if killed == "after":
                    copies.write()
                if killed:
                    raise Killed
                return copies.write()

        journal = Journal.open(self.results, HEADER, 63877497874)
        with self.file.open("rb") as opened:
            rows = formats.read(opened, "numbers.csv", ImportOptions(**options))
            return BulkRun(copies, journal, copies=Mortal(), batch=2, max_pending_copies=max_pending_copies).run(rows)

    def lines_with(self, what: str) -> list[dict[str, Any]]:
        """Lines of the results of one kind."""
        return [result for result in map(orjson.loads, self.results.read_bytes().splitlines()) if what in result]

    def listed(self, account: str) -> list[str]:
        """The numbers in an account's list."""
        held = self.stores.databases.database(LISTS[account]).get_many(["phone_numbers"])["phone_numbers"] or {}
        return sorted(name for name in held if name.startswith("+"))

    def rewrite_list(self, account: str, numbers: Sequence[str]) -> None:
        """Have an account list these alone."""
        held = self.stores.databases.database(LISTS[account]).get_many(["phone_numbers"])["phone_numbers"]
        if held is not None:
            kept = {name: value for name, value in held.items() if not name.startswith("+") or name in numbers}
            self.stores.databases.database(LISTS[account]).put(kept)

    def differences(self, *, repair: bool = False) -> int:
        """Return what an audit finds in the copies; with repair, what it can't mend."""
        comparison = CopiesComparison(
            self.stores.databases, AccountCopies(self.stores.databases, CopiesMode.SINGLE), recheck_delays=(0.0,)
        )
        for name in self.stores.databases.names("numbers/+"):
            for page in self.stores.databases.database(name).all_documents(100):
                comparison.note(page)
        found = comparison.find()
        return sum(map(bool, comparison.repair(found).values())) if repair else len(found)


@pytest.fixture
def relay(couchdb: EmbeddedCouchDB) -> Iterator[Relay]:
    with Relay(couchdb.url) as made:
        yield made


@pytest.fixture
def imports(stores: RealStores, relay: Relay, tmp_path: Path) -> Imports:
    family(stores)
    return Imports(stores, relay, tmp_path)


def test_accounts_list_is_written_once_a_run(imports: Imports) -> None:
    report = imports.run()

    assert (report.statuses, report.warnings) == ({"done": 8}, 0)
    assert (imports.listed(CHILD), imports.listed(RESELLER)) == (NUMBERS[::2], NUMBERS[1::2])
    for database in LISTS.values():
        assert imports.stores.databases.database(database).get("phone_numbers")["_rev"].startswith("1-")
    assert imports.differences() == 0
    assert {result["copies"] for result in imports.lines_with("row")} == {"later"}
    assert [result for result in imports.lines_with("copies") if "row" not in result] == [
        {"copies": "written", "behind": {}}
    ]
    assert imports.relay.count("numbers/.*_bulk_get") == 0, "what was just written is not read again"


def test_copies_are_written_when_enough_wait(imports: Imports) -> None:
    imports.run(max_pending_copies=2)

    kinds = ["row" if "row" in result else "copies" for result in imports.lines_with("copies")]
    assert kinds.count("copies") > 1
    assert kinds[-1] == "copies"
    assert imports.differences() == 0


@pytest.mark.parametrize("killed", ["before", "after"])
@pytest.mark.parametrize("mended", ["by going on", "by an audit"])
def test_killed_when_copies_were_about_to_be_written(imports: Imports, killed: str, mended: str) -> None:
    with pytest.raises(Killed):
        imports.run(killed=killed)
    assert len(imports.lines_with("row")) == 8
    assert not [result for result in imports.lines_with("copies") if "row" not in result], (
        "it claims no more than is true"
    )
    assert imports.differences() == (8 if killed == "before" else 0)

    if mended == "by an audit":
        assert imports.differences(repair=True) == 0
    else:
        with pytest.raises(Killed):  # and once more
            imports.run(killed=killed)
        report = imports.run()
        assert (report.rows, report.resumed_rows) == (0, 8)

    assert (imports.listed(CHILD), imports.listed(RESELLER)) == (NUMBERS[::2], NUMBERS[1::2])
    assert imports.differences() == 0


def test_finished_run_has_nothing_to_make_up_for(imports: Imports) -> None:
    imports.run()
    came = imports.relay.count("account")

    imports.run()

    assert imports.relay.count("account") == came


def test_list_after_foreign_changes_holds_the_current_numbers(imports: Imports) -> None:
    """Between the number's writing and its copy's somebody moves it, somebody deletes it, and the list is there."""
    manager = Manager(imports.stores)
    manager.created("+14158867999", assign_to=CHILD)
    with pytest.raises(Killed):
        imports.run(killed="before")
    copies = imports.manager.deferred_copies()
    copies.carry_out(_asks(OTHERS[:4], CHILD))
    manager.done("move", OTHERS[0], assign_to=RESELLER)
    manager.done("delete", OTHERS[1])
    manager.done("update", OTHERS[2], public_fields={"note": "by somebody else"})
    manager.done("move", NUMBERS[0], assign_to=RESELLER)

    assert len(copies) == 4
    assert copies.write() == {}
    assert imports.run().warnings == 0

    assert imports.listed(CHILD) == sorted([*NUMBERS[2::2], "+14158867999", *OTHERS[2:4]])
    assert imports.listed(RESELLER) == sorted([*NUMBERS[1::2], NUMBERS[0], OTHERS[0]])
    assert imports.differences() == 0


def test_list_changed_while_it_is_written_is_corrected(imports: Imports) -> None:
    """Their own copy's writing found nothing to do, since ours was not there yet."""
    copies = imports.manager.deferred_copies()
    copies.carry_out(_asks(NUMBERS[:3], CHILD))
    databases = imports.stores.databases

    def interfere(method: str, target: str) -> bool:
        if method == "PUT" and target.startswith("/account"):
            imports.relay.cut(lambda *_: False)
            document = dict(databases.database(SHARD).get(NUMBERS[1]))
            databases.database(SHARD).put(
                {**document, "pvt_assigned_to": RESELLER, "pvt_previously_assigned_to": CHILD}
            )
        return False

    imports.relay.cut(interfere)

    assert copies.write() == {}
    assert imports.listed(CHILD) == [NUMBERS[0], NUMBERS[2]]
    assert imports.listed(RESELLER) == [NUMBERS[1]]


def test_database_that_is_made_anew_is_read(imports: Imports) -> None:
    copies = imports.manager.deferred_copies()
    copies.carry_out(_asks(NUMBERS[:2], CHILD))
    imports.stores.databases.database(SHARD).drop()
    imports.stores.databases.database(SHARD).create()
    Manager(imports.stores).created(NUMBERS[0], assign_to=RESELLER)

    assert copies.write() == {}

    assert (imports.listed(CHILD), imports.listed(RESELLER)) == ([], [NUMBERS[0]])


def test_new_accounts_lists_are_not_read_first(imports: Imports) -> None:
    imports.run()

    assert imports.relay.count("account.*phone_numbers") == 2
    assert imports.differences() == 0


def test_existing_list_keeps_what_it_holds(imports: Imports) -> None:
    """Its entries stay, but for the entry that a former life of a new number left there."""
    Manager(imports.stores).created("+14158867999", assign_to=CHILD)
    document = dict(imports.stores.databases.database(LISTS[CHILD]).get("phone_numbers"))
    left = {NUMBERS[1]: {"state": "in_service", "assigned_to": CHILD}, "note": "by hand"}
    imports.stores.databases.database(LISTS[CHILD]).put({**document, **left})

    copies = imports.manager.deferred_copies()
    (ask,) = _asks(NUMBERS[1:2], RESELLER)
    past = Imported(previously_assigned_to=CHILD)
    copies.carry_out([*_asks(NUMBERS[::2], CHILD), dataclasses.replace(ask, imported=past)])

    assert copies.write() == {}
    assert imports.listed(CHILD) == sorted([*NUMBERS[::2], "+14158867999"])
    assert imports.stores.databases.database(LISTS[CHILD]).get("phone_numbers")["note"] == "by hand"
    assert imports.listed(RESELLER) == NUMBERS[1:2]


def test_previous_account_loses_its_leftover_list_entry(imports: Imports) -> None:
    stray = {"_id": "phone_numbers", NUMBERS[1]: {"state": "in_service", "assigned_to": CHILD}}
    imports.stores.databases.database(LISTS[CHILD]).put(stray)

    copies = imports.manager.deferred_copies()
    (ask,) = _asks(NUMBERS[1:2], RESELLER)
    copies.carry_out([dataclasses.replace(ask, imported=Imported(previously_assigned_to=CHILD))])

    assert copies.write() == {}
    assert (imports.listed(CHILD), imports.listed(RESELLER)) == ([], NUMBERS[1:2])


def test_after_a_while_the_copies_are_written_though_few_wait(
    imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.bulk.deferred_copy_writer.MAX_COPY_DELAY", 0.0)

    imports.run()

    kinds = ["row" if "row" in result else "copies" for result in imports.lines_with("copies")]
    assert kinds.count("copies") > 1
    assert imports.differences() == 0


def test_lists_that_stand_stop_being_taken_for_absent() -> None:
    guess = NewAccountGuess()
    assert guess.holds
    guess.note(right=False)
    assert not guess.holds
    guess.note(right=True)
    assert guess.holds


def test_copies_list_that_cannot_be_written_is_reported(imports: Imports) -> None:
    imports.relay.cut(lambda method, target: method == "PUT" and LISTS[CHILD][-10:] in target)

    report = imports.run()

    assert (report.statuses, report.warnings) == ({"done": 8}, 4)
    (line,) = [result for result in imports.lines_with("copies") if "row" not in result]
    assert sorted(line["behind"]) == NUMBERS[::2]
    assert imports.listed(RESELLER) == NUMBERS[1::2]
    imports.relay.cut(lambda *_: False)
    assert imports.differences(repair=True) == 0


def test_copies_that_wait_while_couchdb_is_away(imports: Imports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.bulk.availability.BACKOFF", (0.0, 0.0))
    copies = imports.manager.deferred_copies()
    copies.carry_out(_asks(NUMBERS[:2], CHILD))
    journal = Journal.open(imports.results, HEADER, 0)
    imports.relay.cut(lambda *_: True)
    with pytest.raises(StoreUnavailableError, match="run it again"):
        BulkRun(copies, journal, copies=copies).run(iter(()))

    imports.relay.cut(lambda *_: False)

    assert len(copies) == 2
    assert copies.write() == {}
    assert imports.listed(CHILD) == NUMBERS[:2]


@pytest.mark.parametrize("mode", [CopiesMode.PER_NUMBER, CopiesMode.BOTH])
def test_whole_copies_are_written_at_once(imports: Imports, mode: CopiesMode) -> None:
    manager = Manager(imports.stores, account_copies=mode).manager
    copies = manager.deferred_copies()

    copies.carry_out(_asks(NUMBERS[:2], CHILD))

    assert len(copies) == 0
    held = imports.stores.databases.database(LISTS[CHILD]).get_many(NUMBERS[:2])
    assert all(held.values())


def test_numbers_of_which_the_feed_says_nothing_are_read(imports: Imports) -> None:
    """As when it was begun too late, or by somebody else."""
    Manager(imports.stores).created(*NUMBERS[:2], assign_to=CHILD)
    databases = imports.stores.databases
    found = [read(databases.database(SHARD).get(number)) for number in NUMBERS[:2]]
    written = {each.number: each for each in found if isinstance(each, NumberDocument)}
    imports.stores.databases.database(LISTS[CHILD]).delete("phone_numbers", _revision(imports.stores, LISTS[CHILD]))

    for since in ({}, {SHARD: databases.database(SHARD).current_sequence()}):
        reader = FeedVerifiedReader(databases, written, since)
        changes = [CopyChange(number, None, written[number]) for number in written]
        assert AccountCopies(databases, CopiesMode.SINGLE).update(changes, reader) == {}
        assert imports.listed(CHILD) == NUMBERS[:2]


def _revision(stores: RealStores, database: str) -> str:
    return str(stores.databases.database(database).get("phone_numbers")["_rev"])


def _asks(numbers: Sequence[str], account: str) -> list[OperationRequest]:
    text = "e164,carrier_module\n" + "".join(f"{number},{INVENTORY}\n" for number in numbers)
    rows = formats.read(io.BufferedReader(io.BytesIO(text.encode())), "-.csv", ImportOptions(account=account))
    return [row.request for row in rows if row.request is not None]
