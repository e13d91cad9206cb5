"""Rows of CSV files: KAZOO's bulk tasks, and files written by spreadsheets."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from router.bulk import records
from router.bulk.columns import validated_columns
from router.bulk.csv_records import CsvRecord, CsvRecords
from router.bulk.lines import Lines, is_utf8
from router.bulk.records import ImportOptions
from router.bulk.rows import InvalidFileError, InvalidRowError, Row, Rows
from router.numbers.fields import printable


def read(file: BinaryIO, options: ImportOptions) -> Rows:
    """Read the rows of a file whose header names the columns; cells are separated by commas, semicolons or tabs.

    Raises:
        InvalidFileError: the header can't be used.
    """
    lines = Lines(file)
    first = next(iter(lines), "")
    if not first.strip():
        raise InvalidFileError("the file is empty: its first line names the columns, such as e164,account_id")
    if not is_utf8(first):
        raise InvalidFileError("the first line is not UTF-8: save the file as UTF-8 (CSV UTF-8 in spreadsheets)")
    if lines.truncated:
        raise InvalidFileError("the first line is longer than a mebibyte: it only names the columns")
    separator = _separator(first)
    columns = validated_columns(_header(first, separator))
    lines.skipped += 1
    return Rows(_rows(lines, CsvRecords(lines, columns, separator), columns, options), lines)


def _separator(first: str) -> str:
    return next((sign for sign in ",;\t" if sign in first), ",")


def _header(first: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([first], delimiter=separator, strict=True))
    except csv.Error as problem:
        raise InvalidFileError(
            f"the first line is not CSV: {problem}: close its quotes, and save the file with line ends of Unix or "
            "Windows"
        ) from None


def _rows(lines: Lines, found: Iterable[CsvRecord], columns: list[str], options: ImportOptions) -> Iterator[Row]:
    place = columns.index("e164")
    for each in found:
        if each.problem is None and not any(map(str.strip, each.cells)):
            lines.skipped += each.lines  # as spreadsheets leave them at the end
            continue
        try:
            if each.problem is not None:
                raise each.problem
            record = records.record_of_cells(_named(each.cells, columns))
        except InvalidRowError as wrong:
            number = printable(each.cells[place if place < len(each.cells) else 0]) if each.cells else ""
            yield Row(each.line, number, error=wrong.as_error(), offset=each.offset, lines=each.lines)
        else:
            request, fallback = options.requests(record)
            yield Row(each.line, record.number, request, fallback, offset=each.offset, lines=each.lines)


def _named(cells: Sequence[str], columns: list[str]) -> dict[str, str]:
    for name, cell in () if is_utf8("".join(cells)) else zip(columns, cells, strict=True):
        if not is_utf8(cell):
            raise InvalidRowError(
                "not_utf8", f"{name} is not UTF-8: save the file as UTF-8 (CSV UTF-8 in spreadsheets)"
            )
    return dict(zip(columns, cells, strict=True))
