"""Rows that touch the same accounts by turns: each done once whatever kills the run, and lists written once."""

import io
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from router.bulk import formats
from router.bulk.availability import StoreUnavailableError
from router.bulk.journal import Journal
from router.bulk.journal_header import Header
from router.bulk.records import ImportOptions
from router.bulk.results import Report
from router.bulk.run import BulkRun
from router.lifecycle.operations import Operation, OperationRequest
from router.manager.deferred_copies import DeferredCopies
from router.manager.outcomes import Outcome
from tests.integration.bulk.test_deferred_copies import Imports, Killed, imports, relay
from tests.integration.manager_stores import CHILD, RESELLER, SHARD, Manager
from tests.integration.real_stores import RealStores

__all__ = ["imports", "relay"]

HEADER = Header({"command": "test", "dry_run": False}, "sha256:1")
NUMBERS = [f"+1415886790{digit}" for digit in range(4)]
STEPS = (("create", CHILD), ("reserve", RESELLER), ("move", CHILD), ("release", ""), ("update", ""), ("move", RESELLER))
WRITING = frozenset(Operation) - {Operation.GET}


def by_turns(numbers: Sequence[str] = NUMBERS, steps: Sequence[tuple[str, str]] = STEPS) -> str:
    """Number by number; some of them written otherwise."""
    rows = [
        f"{number if place % 2 else spelled(number)},{step},{account},x"
        for number in numbers
        for place, (step, account) in enumerate(steps)
    ]
    return "e164,action,account_id,opaque.note\n" + "\n".join(rows) + "\n"


def spelled(number: str) -> str:
    """A number as people write it."""
    return f"({number[2:5]}) {number[5:8]}-{number[8:]}"


class Mortal:
    """A manager that dies when it has carried out so many changes; its answer is lost with it."""

    def __init__(self, copies: DeferredCopies, changes: int) -> None:
        self.copies = copies
        self.left = changes

    def carry_out(self, asks: Sequence[OperationRequest]) -> list[Outcome]:
        outcomes = []
        for ask in asks:
            if self.left <= 0:
                raise Killed
            outcomes += self.copies.carry_out([ask])
            self.left -= ask.operation in WRITING
        return outcomes


def go_on(imports: Imports, text: str, changes: int = 10_000, **more: Any) -> Report:
    """One run, or what is left of it, by a manager of its own."""
    copies = Manager(imports.stores, couchdb_url=imports.relay.url).manager.deferred_copies()
    journal = Journal.open(imports.results, HEADER, 63877497874)
    normaliser = imports.manager.rules().normaliser
    rows = formats.read(io.BufferedReader(io.BytesIO(text.encode())), "numbers.csv", ImportOptions())
    manager = Mortal(copies, changes)
    normalise = lambda written: normaliser.e164(written).number  # noqa: E731
    return BulkRun(manager, journal, copies=copies, normalise=normalise, **more).run(rows)


def stands(stores: RealStores) -> dict[str, Any]:
    """Return the state of the numbers: how often each was written, and what its document says."""
    found = stores.databases.database(SHARD).get_many(NUMBERS)
    kept = ("pvt_number_state", "pvt_assigned_to", "pvt_previously_assigned_to", "pvt_reserve_history", "note")
    return {
        number: (document["_rev"].partition("-")[0], *(document.get(name) for name in kept))
        for number, document in found.items()
        if document is not None
    }


def results(imports: Imports) -> list[tuple[int, str, str | None]]:
    """An update that is done once more, which does no harm, finds nothing to change."""
    reported = {"unchanged": "done"}
    return [
        (each["row"], reported.get(each["status"], each["status"]), each["error"]) for each in imports.lines_with("row")
    ]


_WANTED: list[tuple[dict[str, Any], list[tuple[int, str, str | None]]]] = []


@pytest.fixture
def wanted(imports: Imports) -> tuple[dict[str, Any], list[tuple[int, str, str | None]]]:
    """The result of a run that is not killed; made once, and undone again."""
    if not _WANTED:
        go_on(imports, by_turns())
        found = stands(imports.stores), results(imports)
        assert len(found[0]) == len(NUMBERS)
        assert imports.differences() == 0
        imports.results.unlink()
        imports.stores.databases.database(SHARD).drop()
        for account in (CHILD, RESELLER):
            imports.rewrite_list(account, ())
        _WANTED.append(found)
    return _WANTED[0]


@pytest.mark.parametrize("batch", [5, 1000])
@pytest.mark.parametrize("killed_after", [0, 1, 3, 4, 5, 7, 9, 12, 14, 17, 19, 21])
def test_killed_anywhere_each_row_is_done_once(
    imports: Imports, wanted: tuple[dict[str, Any], list[Any]], killed_after: int, batch: int
) -> None:
    with pytest.raises(Killed):
        go_on(imports, by_turns(), killed_after, batch=batch)
    with pytest.raises(Killed):
        go_on(imports, by_turns(), 2, batch=batch)

    go_on(imports, by_turns(), batch=1000)

    assert stands(imports.stores) == wanted[0]
    assert results(imports) == wanted[1]
    assert imports.differences() == 0


def test_lists_are_written_once_whatever_the_order(imports: Imports) -> None:
    setup = [f"{number},create,{CHILD},x" for number in NUMBERS]
    go_on(imports, "e164,action,account_id,opaque.note\n" + "\n".join(setup) + "\n")
    imports.results.unlink()
    before = imports.relay.count("PUT .*phone_numbers|account.*phone_numbers")

    report = go_on(imports, by_turns(steps=(("reserve", RESELLER), ("move", CHILD))))

    assert report.statuses == {"done": 8}
    assert imports.relay.count("PUT .*phone_numbers|account.*phone_numbers") - before <= 4, (
        "read and written, each once"
    )
    assert (imports.listed(CHILD), imports.listed(RESELLER)) == (NUMBERS, NUMBERS)
    assert imports.differences() == 0


def test_import_killed_removes_the_entry_of_a_former_account(imports: Imports) -> None:
    """The move, then the release and the deletion, are done and have results; the lists are not written."""
    setup = [f"{number},create,{CHILD},x" for number in NUMBERS]
    go_on(imports, "e164,action,account_id,opaque.note\n" + "\n".join(setup) + "\n")
    imports.results.unlink()
    assert imports.listed(CHILD) == NUMBERS
    text = by_turns(steps=(("move", RESELLER), ("delete", "")))
    original = DeferredCopies.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeferredCopies, "write", _killed)
        with pytest.raises(Killed):
            go_on(imports, text)
    assert DeferredCopies.write is original
    assert len(imports.lines_with("row")) == 8
    assert imports.listed(CHILD) == NUMBERS

    go_on(imports, text)

    assert (imports.listed(CHILD), imports.listed(RESELLER)) == ([], [])


def _killed(*_: object) -> dict[str, str]:
    raise Killed


def _away_after(count: int) -> Callable[[str, str], bool]:
    """A CouchDB that takes so many writes, and then no more."""
    writes = itertools.count()
    return lambda _, target: "_bulk_docs" in target and next(writes) > count


def test_store_lost_between_two_rows_gives_the_same_import(
    imports: Imports, wanted: tuple[dict[str, Any], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.bulk.availability.BACKOFF", (0.0, 0.0))
    for away_after in (6, 10, 30):
        imports.relay.cut(_away_after(away_after))
        try:
            go_on(imports, by_turns())
        except StoreUnavailableError:
            continue
    imports.relay.cut(lambda *_: False)

    go_on(imports, by_turns())

    assert stands(imports.stores) == wanted[0]
    assert results(imports) == wanted[1]
    assert imports.differences() == 0
