"""Reads CSV records: an unreadable one costs its first line only."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.bulk import csv_rows
from router.bulk.records import ImportOptions
from tests.unit.bulk.rows import ACCOUNT, rows


def test_records_open_quote_costs_one_row() -> None:
    """The quote opens a cell that ends nowhere, or 47 rows further; each of the other rows is there."""
    lines = [f"+1415{index:07},{ACCOUNT},note {index}" for index in range(3000)]
    unclosed = list(lines)
    unclosed[1] = f'+14150000001,{ACCOUNT},"note 1'
    closed_later = list(unclosed)
    closed_later[48] = f'+14150000048,{ACCOUNT},note 48"'

    for mangled in (unclosed, closed_later):
        found = rows("e164,account_id,opaque.note\n" + "\n".join(mangled) + "\n")
        assert [row.line for row in found] == list(range(2, 3002))
        assert [row.line for row in found if row.error is not None] == [3]
        assert found[1].number == "+14150000001"
        assert found[1].error is not None
        assert "line 4, a row by itself, would be inside of it" in found[1].error.message


@pytest.mark.parametrize("column", ["account_id", "state", "carrier_module", "prepend.name", "used_by"])
def test_records_line_end_in_single_line_column_is_refused(column: str) -> None:
    found = rows(f'e164,{column},opaque.note\n+1415,"a\nb",x\n+1416,,y\n')

    assert [(row.line, row.error is None) for row in found] == [(2, False), (3, False), (4, True)]
    assert found[0].error is not None
    assert f"{column} would go on in the next line" in found[0].error.message


def test_records_opaque_cell_spans_a_hundred_lines() -> None:
    for count, refused in ((99, 0), (100, 1)):
        note = "\n".join(["line"] * (count + 1))
        found = rows(f'e164,opaque.note\n+1415,"{note}"\n+1416,x\n')
        assert sum(row.error is not None for row in found) == refused * (count + 1)
        assert found[-1].number == "+1416"


_NOISE = st.text(st.sampled_from('"",;\n\r\t a1\\\ufeff\0'), max_size=6)


@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 60), _NOISE), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
)
def test_records_mangled_row_leaves_all_others(count: int, mangled: list[tuple[int, int, str]], end: str) -> None:
    """Each line belongs to a row or is passed over, and lines that nobody touched are rows of their own."""
    lines = [f'+1415{index:07},{ACCOUNT},"a ""note"", {index}"' for index in range(count)]
    for line, place, noise in mangled:
        text = lines[line % count]
        lines[line % count] = text[:place] + noise + text[place:]
    touched = {f"+1415{line % count:07}" for line, _, _ in mangled}
    raw = f"e164,account_id,opaque.note{end}{end.join(lines)}{end}".encode()

    read = csv_rows.read(io.BytesIO(raw), ImportOptions())
    found = list(read)

    assert read.lines_unaccounted == 0
    assert read.lines_read == raw.count(b"\n")
    assert sum(row.lines for row in found) + read.lines_skipped == read.lines_read
    as_written = [row.number for row in found if row.error is None]
    untouched = [f"+1415{index:07}" for index in range(count) if f"+1415{index:07}" not in touched]
    assert [number for number in as_written if number in set(untouched)] == untouched
    ends = [row.line + row.lines for row in found]
    assert all(row.line >= previous for row, previous in zip(found[1:], ends, strict=False)), "no line twice"
