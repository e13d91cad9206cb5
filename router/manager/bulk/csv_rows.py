"""CSV files: KAZOO's bulk tasks, and what spreadsheets make of them."""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from router.manager.bulk import records
from router.manager.bulk.columns import checked
from router.manager.bulk.lines import Lines, is_clean
from router.manager.bulk.records import Wish
from router.manager.bulk.rows import FileRefused, Row, Rows, RowWrong, too_long
from router.numbers.fields import printable


def read(file: BinaryIO, wish: Wish) -> Rows:
    """Rows of a file whose first line names the columns; semicolons or tabs may stand for commas.

    Raises:
        FileRefused: the first line can't be used.
    """
    lines = Lines(file)
    numbered = iter(lines)
    first = next(numbered, "")
    if not first.strip():
        raise FileRefused("the file is empty: its first line names the columns, such as e164,account_id")
    if not is_clean(first):
        raise FileRefused("the first line is not UTF-8: save the file as UTF-8 (CSV UTF-8 in spreadsheets)")
    if lines.cut:
        raise FileRefused("the first line is longer than a mebibyte: it only names the columns")
    separator = _separator(first)
    columns = checked(_header(first, separator))
    return _rows(lines, csv.reader(numbered, delimiter=separator, strict=True), columns, wish)


def _separator(first: str) -> str:
    return next((sign for sign in ",;\t" if sign in first), ",")


def _header(first: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([first], delimiter=separator))
    except csv.Error as problem:
        raise FileRefused(
            f"the first line is not CSV: {problem}: save the file with line ends of Unix or Windows"
        ) from None


def _rows(lines: Lines, cells: Iterator[list[str]], columns: list[str], wish: Wish) -> Rows:
    place = columns.index("e164")
    while True:
        line = lines.number + 1
        lines.cut = False
        row: list[str] = []
        try:
            row = next(cells)
            if lines.cut:
                raise too_long()
            if not any(map(str.strip, row)):
                continue  # as spreadsheets leave them at the end
            record = records.of_cells(_named(row, columns))
        except StopIteration:
            return
        except csv.Error as problem:
            wrong = RowWrong("malformed_row", f"this is not CSV: {problem}: quotes inside of quotes are doubled")
            yield Row(line, "", error=wrong.as_error(), offset=lines.offset)
        except RowWrong as wrong:
            number = printable(row[place]) if place < len(row) else ""
            yield Row(line, number, error=wrong.as_error(), offset=lines.offset)
        else:
            ask, otherwise = wish.asks(record)
            yield Row(line, record.number, ask, otherwise, offset=lines.offset)


def _named(row: list[str], columns: list[str]) -> dict[str, str]:
    if len(row) != len(columns):
        raise RowWrong("malformed_row", f"it has {len(row)} cells where the first line names {len(columns)} columns")
    for name, cell in () if is_clean("".join(row)) else zip(columns, row, strict=True):
        if not is_clean(cell):
            raise RowWrong("not_utf8", f"{name} is not UTF-8: save the file as UTF-8 (CSV UTF-8 in spreadsheets)")
    return dict(zip(columns, row, strict=True))
