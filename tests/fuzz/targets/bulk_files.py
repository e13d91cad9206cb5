"""Files of a bulk import: CSV, JSON lines, a number a line.

Each row of the file gives one result, under the number of its line, and asks for nothing but what its cells say.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from router.bulk import csv_rows, formats, json_rows, lines, number_rows
from router.bulk.columns import OPAQUE
from router.bulk.records import ImportOptions
from router.bulk.rows import InvalidFileError, Row, Rows
from router.lifecycle.operations import Operation, OperationRequest
from tests.fuzz.target import Target

_SHORT = 64
"""Bytes that a line may have, in place of a mebibyte, where that is what is looked at."""
_ACCOUNT = "9" * 32


def check(data: bytes) -> None:
    """The first byte chooses the kind of file and the options, the rest is the file."""
    kind, content = (data[0] if data else 0), data[1:]
    options = ImportOptions(
        auth_by=_ACCOUNT if kind & 8 else "system", account=_ACCOUNT if kind & 16 else None, update=bool(kind & 32)
    )
    with _shorter_lines(kind & 128):
        try:
            read = _read(kind % 4, io.BufferedReader(io.BytesIO(content)), options)
            rows = list(read)
        except InvalidFileError as refused:
            assert str(refused).isprintable(), "one line"
            return
    assert read.lines_unaccounted == 0, "every line belongs to a row, or holds none"
    _numbered(rows, content)
    if kind % 4 == 0:
        _csv(rows, content, options, short=bool(kind & 128))
    elif kind % 4 == 1:
        _json(rows, content, _too_long(content, _SHORT if kind & 128 else lines.MAX_DOCUMENT_LINE_BYTES))
    elif kind % 4 == 2:
        _numbers(rows, content, _too_long(content, _SHORT if kind & 128 else lines.MAX_LINE_BYTES))


def _read(kind: int, file: io.BufferedReader, options: ImportOptions) -> Rows:
    match kind:
        case 0:
            return csv_rows.read(file, options)
        case 1:
            return json_rows.read(file, options)
        case 2:
            return number_rows.read(file, OperationRequest(Operation.RELEASE, "", "system"))
    return formats.read(file, "-", options)


def _numbered(rows: Sequence[Row], content: bytes) -> None:
    numbers = [row.line for row in rows]
    assert numbers == sorted(set(numbers)), "each begins on a line of its own"
    assert all(1 <= number <= content.count(b"\n") + 1 for number in numbers), "that the file has"
    offsets = [row.offset for row in rows]
    assert offsets == sorted(offsets)
    assert all(offset <= len(content) for offset in offsets)
    for row in rows:
        assert (row.request is None) != (row.error is None)
        assert row.request is not None or not row.fallback
        if row.error is not None:
            assert row.error.cause
            assert row.error.message
        for request in (row.request, *row.fallback):
            assert request is None or request.number == row.number, "what is asked is asked of the row's number"


def _csv(rows: Sequence[Row], content: bytes, options: ImportOptions, *, short: bool) -> None:
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    if short and any(len(line) >= _SHORT for line in content.splitlines(keepends=True)):
        return
    first, _, _ = text.partition("\n")
    separator = next((sign for sign in ",;\t" if sign in first), ",")
    columns = [_column(name) for name in next(csv.reader([first], delimiter=separator, strict=True))]
    try:
        # Of the header only its first line counts, whatever is quoted there.
        cells = list(csv.reader(io.StringIO(text[len(first) + 1 :], newline="\n"), delimiter=separator, strict=True))
    except csv.Error:
        return  # which rows are hurt is the csv package's to say
    if any("\n" in cell for row in cells for cell in row):
        return  # an open quote that swallows rows is refused, though the csv package takes it
    cells = [row for row in cells if any(cell.strip() for cell in row)]
    assert len(rows) == len(cells), "a result for each row"
    for row, written in zip(rows, cells, strict=True):
        if row.request is not None:
            _asks_for(row.request, dict(zip(columns, written, strict=True)), options)


def _column(name: str) -> str:
    name = name.strip()
    return OPAQUE + name[len(OPAQUE) :] if name.lower().startswith(OPAQUE) else name.lower()


def _asks_for(request: OperationRequest, cells: dict[str, str], options: ImportOptions) -> None:
    assert request.number == cells["e164"].strip()
    assert request.auth_by == options.auth_by
    account = cells.get("account_id", "").strip() or options.account
    assert request.assign_to in (None, account), "nobody else gets the number"
    if request.operation is Operation.CREATE:
        assert request.assign_to == account
        assert request.state == (cells.get("state", "").strip() or None)
    public = request.public_fields or {}
    assert not any(name.startswith(("pvt_", "_")) for name in public), public
    for name, cell in cells.items():
        if name.startswith(OPAQUE) and cell.strip() and request.public_fields is not None:
            assert _at(public, name.removeprefix(OPAQUE).split(".")) == cell.strip(), f"{name} is asked for"
    if request.imported is not None and cells.get("created", "").strip():
        assert request.imported.created == int(cells["created"])
        assert 0 < request.imported.created < 10**12


def _at(values: Any, path: Sequence[str]) -> Any:
    for step in path:
        values = values[step.strip()]
    return values


def _too_long(content: bytes, max_bytes: int) -> set[int]:
    return {number for number, line in enumerate(content.split(b"\n"), 1) if len(line) >= max_bytes}


def _json(rows: Sequence[Row], content: bytes, too_long: set[int]) -> None:
    wanted = [number for number, line in _lines(content) if line.strip() or number in too_long]
    assert [row.line for row in rows] == wanted, "a result for each line, under its number"
    for row in rows:
        public = (row.request.public_fields if row.request is not None else None) or {}
        assert not any(name.startswith(("pvt_", "_")) for name in public), public


def _numbers(rows: Sequence[Row], content: bytes, too_long: set[int]) -> None:
    value = [(number, line.strip()) for number, line in _lines(content)]
    wanted = [number for number, line in value if not line.startswith("#") and (line or number in too_long)]
    assert [row.line for row in rows] == wanted


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    whole = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return enumerate((line.decode("utf-8", "surrogateescape") for line in whole), 1)


@contextmanager
def _shorter_lines(wanted: int) -> Iterator[None]:
    before, document = lines.MAX_LINE_BYTES, lines.MAX_DOCUMENT_LINE_BYTES
    try:
        if wanted:
            lines.MAX_LINE_BYTES = lines.MAX_DOCUMENT_LINE_BYTES = _SHORT
        yield
    finally:
        lines.MAX_LINE_BYTES, lines.MAX_DOCUMENT_LINE_BYTES = before, document


TARGET = Target(
    "bulk_files",
    check,
    dictionary=(
        "e164,account_id,state\n",
        "e164;opaque.a;opaque.a.b\n",
        "+14158867900,4cad0b7f4cad0b7f4cad0b7f4cad0b7f,in_service\n",
        "opaque.",
        "opaque. pvt_assigned_to",
        "reserve_history",
        "created",
        "ported_in",
        "action",
        "carrier_module",
        "cnam.outbound",
        "e911.locality",
        "prepend.enabled",
        "true",
        "release",
        "63877497874",
        '"',
        '""',
        "\r\n",
        "\r",
        "\t",
        b"\xef\xbb\xbf",
        b"\xff",
        '{"e164":"+14158867900","account_id":"a","public_fields":{"a":1}}\n',
        '{"_id":"+14158867900","_rev":"1-a","pvt_state":"in_service","pvt_assigned_to":"a"}\n',
        "1.41589E+10",
        "#",
    ),
    longest=1024,
)
