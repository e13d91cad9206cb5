"""Which kind of file it is."""

from pathlib import Path
from typing import BinaryIO

from router.bulk import csv_rows, json_rows
from router.bulk.records import ImportOptions
from router.bulk.rows import Rows

_JSON = frozenset((".jsonl", ".ndjson", ".json"))
CSV_SUFFIXES = frozenset((".csv", ".tsv"))
_LOOKED_AT = 4096


def read(file: BinaryIO, name: str, options: ImportOptions) -> Rows:
    """Rows of a CSV file or of JSON lines: its name tells which, else its first byte that is no space.

    Args:
        file: it can be peeked into.
        name: with its extension; any for standard input.

    Raises:
        FileRefused: a CSV file whose first line can't be used.
    """
    suffix = Path(name).suffix.lower()
    if suffix in _JSON or (suffix not in CSV_SUFFIXES and _begins_as_json(file)):
        return json_rows.read(file, options)
    return csv_rows.read(file, options)


def _begins_as_json(file: BinaryIO) -> bool:
    peek = getattr(file, "peek", None)
    head: bytes = peek(_LOOKED_AT) if peek is not None else b""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
