"""An account's numbers: pages, filters, CSV."""

import csv
from collections.abc import Callable

import pytest

from router.console.services import NumberPage
from router.console.views.numbers import ROWS, Filter, account_page, csv_lines, number_view
from router.numbers.columns import EXPORTED_COLUMNS, cells_of
from router.numbers.documents import NumberDocument, read
from router.server.api import number_messages
from router.v1 import numbers_pb2 as pb

NUMBERS = [f"+1415{index:07}" for index in range(1000)] + [f"+1416{index:07}" for index in range(50)]


def reader(seen: list[str] | None = None) -> Callable[[str], NumberPage]:
    """A number manager with these numbers, every tenth of which is reserved; its pages have 300."""

    def read(after: str) -> NumberPage:
        if seen is not None:
            seen.append(after)
        left = [number for number in NUMBERS if number > after]
        records = [
            pb.NumberRecord(number=number, state="reserved" if number.endswith("0") else "in_service")
            for number in left[:300]
        ]
        return NumberPage(records, left[299] if len(left) > 300 else "")

    return read


def walk(wanted: Filter) -> list[str]:
    """The numbers of all pages, one after the other."""
    found: list[str] = []
    after = ""
    while True:
        page = account_page(reader(), wanted, after)
        assert len(page.rows) <= ROWS
        found += [row.number for row in page.rows]
        if not page.next:
            return found
        after = page.next


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Filter(), 1050),
        (Filter(state="reserved"), 105),
        (Filter("+1416"), 50),
        (Filter("+1416", "reserved"), 5),
        (Filter("+1417"), 0),
        (Filter("+14150000999"), 1),
        (Filter("+14150000900"), 1),
        (Filter("+1415000090"), 10),
        (Filter("+0"), 0),
    ],
)
def test_pages_hold_every_number_once(wanted: Filter, count: int) -> None:
    found = walk(wanted)

    assert len(found) == len(set(found)) == count
    assert found == sorted(found)


def test_filter_by_prefix_begins_and_ends_there() -> None:
    seen: list[str] = []

    account_page(reader(seen), Filter("+1416"), "")

    assert len(seen) == 1
    assert "+1415999" < seen[0] < "+1416"


def test_filter_that_few_match_ends_a_page_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.console.views.numbers._MAX_SCANNED", 400)

    page = account_page(reader(), Filter(state="aging"), "")

    assert (page.rows, page.scanned) == ([], 400)
    assert page.next
    assert walk(Filter(state="aging")) == []


def test_csv_has_every_number_and_the_columns_of_the_import() -> None:
    rows = list(csv.DictReader("".join(csv_lines(reader(), Filter(state="reserved"))).splitlines()))

    assert len(rows) == 105
    assert rows[0]["e164"] == "+14150000000"
    assert set(rows[0]) >= {"e164", "account_id", "state", "carrier_module", "reserve_history"}


def test_csv_row_is_that_of_the_export() -> None:
    fields = {
        "_id": "+14158867900",
        "_rev": "1-a",
        "pvt_number_state": "in_service",
        "pvt_assigned_to": "a" * 32,
        "pvt_previously_assigned_to": "b" * 32,
        "pvt_reserve_history": ["a" * 32, "b" * 32],
        "pvt_module_name": "knm_local",
        "pvt_features": {"prepend": {"enabled": True, "name": "Sales"}, "failover": {"e164": "+1"}},
        "pvt_used_by": "callflow",
        "pvt_ported_in": True,
        "pvt_created": 63_800_000_000,
        "pvt_modified": 63_900_000_000,
        "cnam": {"display_name": "ACME", "inbound_lookup": True},
    }
    document = read(fields)
    assert isinstance(document, NumberDocument)

    header, row = csv.reader(
        "".join(csv_lines(lambda _: NumberPage([number_messages.record(document)], ""), Filter())).splitlines()
    )

    assert header == list(EXPORTED_COLUMNS)
    assert row == cells_of(document, "")
    assert row[header.index("prepend.name")] == "Sales"


def test_number_is_shown_as_a_person_reads_it() -> None:
    record = pb.NumberRecord(number="+1", state="in_service", reserve_history=["b", "a"], created=1_700_000_000)
    record.features.update({"prepend": {"enabled": True, "name": "Sales"}, "local": {}})

    view = number_view(record)

    assert view.history == ["a", "b"]
    assert view.features == [("local", ""), ("prepend", "enabled = true, name = Sales")]
    assert ("created", "2023-11-14 22:13:20 UTC") in view.facts
    assert "changed" not in dict(view.facts)


MISSING = pb.CopyDifference(format="phone_numbers", kind="missing")


@pytest.mark.parametrize(
    ("copy", "state", "detail"),
    [
        (pb.AccountCopy(account_id="a"), "", "no difference"),
        (pb.AccountCopy(account_id="a", differences=[MISSING]), "differs", "its list lacks the number"),
        (pb.AccountCopy(account_id="a", error="refused"), "unreadable", "can't be compared: refused"),
        (
            pb.AccountCopy(account_id="a", no_database=True),
            "no database",
            "the account's database is missing, so it has no copy",
        ),
    ],
    ids=["equal", "missing", "unreadable", "no database"],
)
def test_copy_is_shown_as_it_was_compared(copy: pb.AccountCopy, state: str, detail: str) -> None:
    [row] = number_view(pb.NumberRecord(number="+14158867900", copies=[copy])).copies

    assert (row.state, row.detail, row.differs) == (state, detail, state == "differs")
