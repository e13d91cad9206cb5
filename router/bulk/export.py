"""Exports number documents from the databases into a file, page by page."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from router.couch.server import CouchServer
from router.numbers import accounts, documents
from router.numbers.columns import EXPORTED_COLUMNS, cells_of
from router.numbers.documents import NumberDocument, Skipped
from router.numbers.kazoo_databases import ACCOUNTS

Format = Literal["csv", "jsonl"]

_PAGE_SIZE = 1000
_MAX_CACHED_NAMES = 50_000


@dataclass(slots=True)
class ExportReport:
    """Totals of an export.

    Attributes:
        skipped_documents: documents that are no numbers: database, id, reason.
    """

    databases: int = 0
    documents: int = 0
    written: int = 0
    skipped_documents: list[tuple[str, str, str]] = field(default_factory=list)


class AccountNames:
    """Account names from the accounts database; each is read once."""

    def __init__(self, databases: CouchServer) -> None:
        self._databases = databases
        self._known: dict[str, str] = {}

    def of(self, identifiers: Iterable[str]) -> Mapping[str, str]:
        """Return account id → name; empty if the account has none."""
        missing = sorted(set(identifiers) - self._known.keys())
        if missing:
            if len(self._known) > _MAX_CACHED_NAMES:
                self._known.clear()
            found = self._databases.database(ACCOUNTS).get_many(missing)
            self._known |= {account: _name(found.get(account)) for account in missing}
        return self._known


class Export:
    """Writes documents.

    Args:
        write: receives bytes.
        on_read: receives a database's name, and how many of its documents were read; 0 when it begins.
        separator: between the cells of CSV.
    """

    def __init__(
        self,
        databases: CouchServer,
        write: Callable[[bytes], Any],
        format_: Format,
        on_read: Callable[[str, int], None] = lambda _name, _read: None,
        *,
        separator: str = ",",
    ) -> None:
        self._databases = databases
        self._write = write
        self._format = format_
        self._on_read = on_read
        self._separator = separator
        self._names = AccountNames(databases)
        self.report = ExportReport()

    def shards(self) -> list[str]:
        """Return the names of all number databases."""
        return self._databases.shards()

    def run(self, names: Sequence[str], account: str | None = None) -> ExportReport:
        """Write every number of these databases, or those of one account."""
        self.begin()
        for name in names:
            self._on_read(name, 0)
            for page in self._databases.database(name).all_documents(_PAGE_SIZE):
                self._page(name, page, account)
                self._on_read(name, len(page))
            self.report.databases += 1
        return self.report

    def begin(self) -> None:
        """Write the header, if the format has one."""
        if self._format == "csv":
            self._write(_csv([EXPORTED_COLUMNS], self._separator))

    def numbers(self, numbers: Sequence[NumberDocument]) -> None:
        """Write these numbers."""
        self.report.written += len(numbers)
        if self._format == "jsonl":
            self._write(b"".join(_line(each.fields) for each in numbers))
            return
        names = self._names.of(each.assigned_to for each in numbers if each.assigned_to)
        rows = (cells_of(each, names.get(each.assigned_to or "", "")) for each in numbers)
        self._write(_csv(rows, self._separator))

    def _page(self, database: str, page: Sequence[Mapping[str, Any]], account: str | None) -> None:
        self.report.documents += len(page)
        self.numbers([each for each in self._read(database, page) if account in (None, each.assigned_to)])

    def _read(self, database: str, page: Sequence[Mapping[str, Any]]) -> Iterator[NumberDocument]:
        for document in page:
            read = documents.read(document, expected_database=database)
            if not isinstance(read, Skipped):
                yield read
            elif not str(document.get("_id")).startswith("_design/"):
                self.report.skipped_documents.append((database, str(document.get("_id")), read.reason))


def _line(document: Mapping[str, Any]) -> bytes:
    """Return a whole document as one line; orjson refuses more than some 250 levels of nesting, json does not."""
    try:
        return orjson.dumps(dict(document), option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        return json.dumps(dict(document), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _csv(rows: Iterable[Sequence[str]], separator: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _name(document: Mapping[str, Any] | None) -> str:
    read = Skipped("missing") if document is None else accounts.read(document)
    return "" if isinstance(read, Skipped) else read.name
