"""Detects a file's format."""

from pathlib import Path
from typing import BinaryIO

from router.bulk import csv_rows, json_rows
from router.bulk.records import ImportOptions
from router.bulk.rows import Rows

_JSON_SUFFIXES = frozenset((".jsonl", ".ndjson", ".json"))
CSV_SUFFIXES = frozenset((".csv", ".tsv"))
_PEEK_BYTES = 4096


def read(file: BinaryIO, name: str, options: ImportOptions) -> Rows:
    """Read rows of CSV or of JSON lines; the file name's extension decides, else the first byte that is no space.

    Args:
        file: supports `peek`.
        name: with its extension; any for standard input.

    Raises:
        InvalidFileError: a CSV file's header can't be used.
    """
    suffix = Path(name).suffix.lower()
    if suffix in _JSON_SUFFIXES or (suffix not in CSV_SUFFIXES and _begins_as_json(file)):
        return json_rows.read(file, options)
    return csv_rows.read(file, options)


def _begins_as_json(file: BinaryIO) -> bool:
    peek = getattr(file, "peek", None)
    head: bytes = peek(_PEEK_BYTES) if peek is not None else b""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
