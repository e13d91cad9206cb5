"""Rows of JSON lines: number documents as an export writes them, or records under the CSV columns' names."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import orjson

from router.bulk import lines as line_limits
from router.bulk import records
from router.bulk.columns import validated_columns
from router.bulk.lines import Lines, is_utf8
from router.bulk.records import ImportOptions, Record
from router.bulk.rows import InvalidFileError, InvalidRowError, Row, Rows, too_long
from router.numbers.columns import ACCOUNT_SEPARATOR
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import printable


def read(file: BinaryIO, options: ImportOptions) -> Rows:
    """Read the rows of a file with one JSON object per line."""
    lines = Lines(file, line_limits.MAX_DOCUMENT_LINE_BYTES)
    return Rows(_rows(lines, options), lines)


def _rows(lines: Lines, options: ImportOptions) -> Iterator[Row]:
    for line in lines:
        if not line.strip() and not lines.truncated:
            lines.skipped += 1
            continue
        try:
            record = _record(line, is_complete=not lines.truncated)
        except InvalidRowError as wrong:
            lines.truncated = False
            yield Row(lines.number, "", error=wrong.as_error(), offset=lines.offset)
        else:
            request, fallback = options.requests(record)
            yield Row(lines.number, record.number, request, fallback, offset=lines.offset, warnings=record.problems)


def _record(line: str, *, is_complete: bool) -> Record:
    if not is_complete:
        raise too_long("16 mebibytes")
    if not is_utf8(line):
        raise InvalidRowError("not_utf8", "the line is not UTF-8")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as problem:
        raise InvalidRowError("malformed_row", f"this is not JSON: {problem}: a line holds one whole object") from None
    if not isinstance(value, dict):
        raise InvalidRowError("malformed_row", "this is no object: write one a line, in braces")
    return records.record_of_document(value) if "_id" in value else _of_names(value)


def _of_names(fields: Mapping[str, Any]) -> Record:
    """A record by column names; public fields may also come whole, in `public_fields`."""
    public = fields.get("public_fields", {})
    if not isinstance(public, dict) or any(name.startswith(("pvt_", "_")) for name in public):
        raise InvalidRowError("public_fields", "public_fields must be an object of fields without pvt_")
    given = {name: value for name, value in fields.items() if name != "public_fields" and value is not None}
    try:
        names = validated_columns(list(given))
    except InvalidFileError as problem:
        raise InvalidRowError("unknown_field", str(problem).replace("column", "field")) from None
    made = records.record_of_cells(
        {name: _text(name, value) for name, value in zip(names, given.values(), strict=True)}
    )
    return fast_replace(made, public={**public, **made.public})


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ACCOUNT_SEPARATOR.join(value)
    if isinstance(value, str | int):
        return str(value)
    shown = printable(name)
    raise InvalidRowError(shown, f"{shown} must be a text, a number, true or false: objects go into public_fields")
