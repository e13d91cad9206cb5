"""CSV files: what is read, what is refused row by row, and what refuses the file."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.bulk.rows import InvalidFileError
from router.lifecycle.operations import Imported, Operation, OperationRequest
from router.numbers.columns import KAZOO_COLUMNS
from tests.unit.bulk.rows import ACCOUNT, rows

ROOT = Path(__file__).parents[3]
PARENT = "0" * 32


def only(text: str | bytes, **options: object) -> OperationRequest:
    (row,) = rows(text, **options)
    assert row.request is not None, row.error
    return row.request


def written(columns: list[str], *lines: list[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([columns, *lines])
    return text.getvalue()


def test_read_oversized_cell_is_refused_by_size() -> None:
    cell = "x" * 131_073
    found = rows(f"e164,opaque.x\n+14158867900,{cell}\n+14158867901,x\n")

    assert [row.number for row in found if row.request is not None] == ["+14158867901"]
    assert found[0].error is not None
    assert found[0].error.message == "a cell has more than 131,072 characters: shorten it"
    assert "a cell of more than 131,072 characters" in (ROOT / "docs" / "import-and-export.md").read_text("utf-8")


def test_columns_are_kazoos_in_its_order() -> None:
    assert ",".join(KAZOO_COLUMNS) == (
        "e164,account_name,account_id,previously_assigned_to,state,created,modified,used_by,ported_in,carrier_module,"
        "cnam.inbound,cnam.outbound,e911.locality,e911.name,e911.region,e911.street_address,e911.extended_address,"
        "e911.postal_code,prepend.enabled,prepend.name,prepend.number,ringback.early,ringback.transfer,force_outbound,"
        "failover.e164,failover.sip"
    )


def test_read_full_row_fills_the_request() -> None:
    value = {
        "e164": "+14158867900",
        "account_name": "Acme, Inc.",
        "account_id": ACCOUNT,
        "previously_assigned_to": PARENT,
        "state": "reserved",
        "created": "63877497874",
        "modified": "63877497875",
        "used_by": "callflow",
        "ported_in": "TRUE",
        "carrier_module": "knm_bandwidth2",
        "cnam.inbound": "true",
        "cnam.outbound": "ACME",
        "e911.locality": "San Francisco",
        "e911.name": "Acme",
        "e911.region": "CA",
        "e911.street_address": '116 Natoma St, 2nd "floor"',
        "e911.extended_address": "Suite\n2",
        "e911.postal_code": "94105",
        "prepend.enabled": "false",
        "prepend.name": "Sales",
        "prepend.number": "+1415",
        "ringback.early": "media1",
        "ringback.transfer": "media2",
        "force_outbound": "false",
        "failover.e164": "+14155550100",
        "failover.sip": "sip:a@b",
        "reserve_history": f"{ACCOUNT} {PARENT}",
        "carrier_name": "other",
        "opaque.note": "kept, too",
        "opaque.deep.er": "x",
    }

    request = only(written(list(value), list(value.values())))

    assert request == OperationRequest(
        Operation.CREATE,
        "+14158867900",
        "system",
        assign_to=ACCOUNT,
        state="reserved",
        module_name="knm_bandwidth2",
        public_fields={
            "cnam": {"inbound_lookup": True, "display_name": "ACME"},
            "e911": {
                "locality": "San Francisco",
                "caller_name": "Acme",
                "region": "CA",
                "street_address": '116 Natoma St, 2nd "floor"',
                "extended_address": "Suite\n2",
                "postal_code": "94105",
            },
            "prepend": {"enabled": False, "name": "Sales", "number": "+1415"},
            "ringback": {"early": "media1", "transfer": "media2"},
            "force_outbound": False,
            "failover": {"e164": "+14155550100", "sip": "sip:a@b"},
            "carrier_name": "other",
            "note": "kept, too",
            "deep": {"er": "x"},
        },
        imported=Imported(63877497874, PARENT, (ACCOUNT, PARENT), "callflow", ported_in=True),
    )


def test_read_empty_cells_request_nothing() -> None:
    request = only(written(list(KAZOO_COLUMNS), ["+14158867900", *[""] * (len(KAZOO_COLUMNS) - 1)]), account=ACCOUNT)

    assert (request.assign_to, request.state, request.module_name, request.public_fields) == (ACCOUNT, None, None, None)
    assert request.imported == Imported()


def test_read_history_is_for_the_system_only() -> None:
    request = only(f"e164,account_id,created,used_by\n+1,{ACCOUNT},63877497874,callflow\n", auth_by=PARENT)

    assert (request.auth_by, request.imported) == (PARENT, None)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_read_spreadsheet_variants_are_accepted(separator: str, end: str, mark: bytes) -> None:
    text = separator.join(["E164", " account_id "]) + end + separator.join(["+1415", ACCOUNT]) + end
    found = rows(mark + text.encode() + (separator + end).encode())

    assert [(row.line, row.number, row.request and row.request.assign_to) for row in found] == [(2, "+1415", ACCOUNT)]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("e164,acount_id", "unknown column 'acount_id': did you mean account_id?"),
        ("e164,wibble", "unknown column 'wibble': a public field of your own is called opaque.NAME"),
        ("number,account_id", "unknown column 'number': did you mean e164?"),
        ("DID,account_id", "unknown column 'DID': did you mean e164?"),
        ("Phone Number,state", "unknown column 'Phone Number': did you mean e164?"),
        ("phone_number,state", "unknown column 'phone_number': did you mean e164?"),
        ("e164,account", "unknown column 'account': did you mean account_id?"),
        ("e164,Assigned To", "unknown column 'Assigned To': did you mean account_id?"),
        ("e164,status", "unknown column 'status': did you mean state?"),
        ("e164,carrier", "unknown column 'carrier': did you mean carrier_module?"),
        ("account_id,state", "there is no column e164"),
        ("e164,state,state", "column state is there twice"),
        ("e164,,state", "column 2 has no name"),
        ("e164,opaque.", "write opaque.my_field"),
        ("e164,opaque.pvt_state", "write opaque.my_field"),
        ("e164,opaque. pvt_state", "write opaque.my_field"),
        ("e164,OPAQUE.pvt_state", "write opaque.my_field"),
        ("e164,opaque._id", "write opaque.my_field"),
        ("e164,opaque.a,opaque. a", "column opaque.a is there twice"),
        ("e164\raccount_id", "the first line is not CSV"),
        ("e164,opaque." + "x" * (1 << 20), "the first line is longer than a mebibyte"),
        ("", "the file is empty"),
    ],
)
def test_read_unusable_header_refuses_the_file(header: str, message: str) -> None:
    with pytest.raises(InvalidFileError, match=message.replace(".", r"\.").replace("?", r"\?")):
        rows(header + "\n+1415,x\n")


def test_read_header_not_utf8_refuses_the_file() -> None:
    with pytest.raises(InvalidFileError, match="not UTF-8"):
        rows(b"e164,\xff\n")


@pytest.mark.parametrize(
    ("line", "cause", "message"),
    [
        (b"+1415", "malformed_row", "it has 1 cells where the first line names 4 columns"),
        (b"+1415,a,b,c,d", "malformed_row", "it has 5 cells"),
        (b'+1415,"a"b,,', "malformed_row", "this is not CSV"),
        (b"+1415,\xff,,", "not_utf8", "account_id is not UTF-8"),
        (b",a,,", "e164", "there is no number"),
        (b"1.41589E+10,,,", "e164", "rounded by a spreadsheet"),
        (b"+1415,,yes,", "ported_in", "write true or false"),
        (b"+1415,,,2024-01-01", "created", "Gregorian seconds"),
        (b"+1415,,,-1", "created", "Gregorian seconds"),
        (b"+1415,,,0000000000000001" + b"9" * 5000, "created", "Gregorian seconds"),
        (b"+1415,,," + b"," * (1 << 20) + b"63877497874", "malformed_row", "longer than a mebibyte"),
        (b'+1415,,,"' + b" " * (1 << 20) + b'63877497874"', "malformed_row", "longer than a mebibyte"),
    ],
)
def test_read_bad_row_fails_alone(line: bytes, cause: str, message: str) -> None:
    bad, good = rows(b"e164,account_id,ported_in,created\n" + line + b"\n+1416,,,\n")

    assert bad.error is not None
    assert (bad.line, bad.request, bad.error.error, bad.error.cause) == (2, None, "invalid", cause)
    assert message in bad.error.message
    assert (good.line, good.number, good.error) == (3, "+1416", None)


def test_read_unclosed_quote_uses_bounded_memory() -> None:
    text = b'e164\n"+1415\n' + b"+1416\n" * 30_000

    found = rows(text)

    assert found[0].error is not None
    assert found[0].error.cause == "malformed_row"
    assert [row.number for row in found[1:]] == ["+1416"] * 30_000, "only the row with the quote is lost"


def test_read_multiline_cells_keep_line_numbers() -> None:
    found = rows('e164,opaque.note\n+1,"a\nb"\n+2,c\n')

    assert [(row.line, row.number) for row in found] == [(2, "+1"), (4, "+2")]
    assert found[-1].offset == len('e164,opaque.note\n+1,"a\nb"\n+2,c\n')


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ("opaque.a,opaque.a.b", "opaque.a.b"),
        ("opaque.a.b,opaque.a", "opaque.a"),
        ("cnam.outbound,opaque.cnam.display_name", "opaque.cnam.display_name"),
    ],
)
def test_read_conflicting_columns_are_refused(columns: str, wrong: str) -> None:
    (row,) = rows(f"e164,{columns}\n+1,x,y\n")

    assert row.error is not None
    assert row.error.cause == wrong


def test_read_opaque_column_keeps_its_spelling() -> None:
    assert only("e164,Opaque.myField . inIt\n+1,x\n").public_fields == {"myField": {"inIt": "x"}}


@pytest.mark.parametrize("action", ["create", "reserve", "move", "release", "delete", "update", "assign_to_app"])
def test_read_action_column_selects_the_operation(action: str) -> None:
    request = only(f"action,e164,account_id,prepend.name,used_by\n{action},+1,{ACCOUNT},Sales,callflow\n")

    assert request.operation is Operation(action)
    assert request.assign_to == (ACCOUNT if action in {"create", "reserve", "move"} else None)
    assert (request.public_fields is not None) == (action in {"create", "reserve", "move", "update"})
    assert request.used_by == ("callflow" if action == "assign_to_app" else None)


def test_read_unknown_action_is_refused() -> None:
    (row,) = rows("action,e164\nsteal,+1\n")

    assert row.error is not None
    assert "write one of create, reserve" in row.error.message


def test_read_update_adds_fallback_requests() -> None:
    (row,) = rows(f"e164,account_id,prepend.name,used_by\n+1,{ACCOUNT},Sales,callflow\n", update=True)

    assert [(each.operation, each.assign_to, each.used_by) for each in row.fallback] == [
        (Operation.MOVE, ACCOUNT, None),
        (Operation.ASSIGN_TO_APP, None, "callflow"),
        (Operation.UPDATE, None, None),
    ]
    assert row.fallback[-1].public_fields == {"prepend": {"name": "Sales"}}


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=3, max_size=3), max_size=8))
def test_read_inverts_pythons_csv_writer(cells: list[list[str]]) -> None:
    """Every row comes once, in order, as an ask or as an error of its own, with the number that was written."""
    lines = [[f"+1415{position:07}", *line[1:]] for position, line in enumerate(cells)]
    found = rows(written(["e164", "opaque.a", "opaque.b"], *lines))

    assert [row.number for row in found] == [line[0] for line in lines]
    for row, (_, a, b) in zip(found, lines, strict=True):
        given = {name: text.strip() for name, text in (("a", a), ("b", b)) if text.strip()}
        assert row.request is not None
        assert dict(row.request.public_fields or {}) == given


@given(st.binary(max_size=300))
def test_read_arbitrary_bytes_never_raise(noise: bytes) -> None:
    found = rows(b"e164,account_id,created\n" + noise)

    assert all((row.request is None) != (row.error is None) for row in found)
    lines = [row.line for row in found]
    assert lines == sorted(set(lines)), "each begins on a line of its own: a run that goes on counts by them"
