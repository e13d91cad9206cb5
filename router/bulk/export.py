"""Number documents out of the databases into a file, a page at a time."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from router.bulk.columns import EXPORTED, cells_of
from router.couch.server import CouchServer
from router.numbers import accounts, documents
from router.numbers.documents import NumberDocument, Skipped
from router.numbers.kazoo_databases import ACCOUNTS

Format = Literal["csv", "jsonl"]

_PAGE = 1000
_NAMES_KEPT = 50_000


@dataclass(slots=True)
class ExportReport:
    """What was written, and what was not.

    Attributes:
        left_out: documents that are no numbers: database, id, why.
    """

    databases: int = 0
    documents: int = 0
    written: int = 0
    skipped_documents: list[tuple[str, str, str]] = field(default_factory=list)


class AccountNames:
    """The names of accounts, as their documents have them; read once."""

    def __init__(self, databases: CouchServer) -> None:
        self._databases = databases
        self._known: dict[str, str] = {}

    def of(self, wanted: Iterable[str]) -> Mapping[str, str]:
        """Account id → name; empty where it has none."""
        missing = sorted(set(wanted) - self._known.keys())
        if missing:
            if len(self._known) > _NAMES_KEPT:
                self._known.clear()
            found = self._databases.database(ACCOUNTS).get_many(missing)
            self._known |= {account: _name(found.get(account)) for account in missing}
        return self._known


class Export:
    """Writes documents.

    Args:
        write: takes bytes.
        watch: told the database, the documents it holds, and how many of them are read.
        separator: between the cells of CSV.
    """

    def __init__(
        self,
        databases: CouchServer,
        write: Callable[[bytes], Any],
        form: Format,
        watch: Callable[[str, int], None] = lambda _name, _read: None,
        *,
        separator: str = ",",
    ) -> None:
        self._databases = databases
        self._write = write
        self._form = form
        self._watch = watch
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
            self._watch(name, 0)
            for page in self._databases.database(name).all_documents(_PAGE):
                self._page(name, page, account)
                self._watch(name, len(page))
            self.report.databases += 1
        return self.report

    def begin(self) -> None:
        """Write what stands before the numbers."""
        if self._form == "csv":
            self._write(_csv([EXPORTED], self._separator))

    def numbers(self, found: Sequence[NumberDocument]) -> None:
        """Write these numbers."""
        self.report.written += len(found)
        if self._form == "jsonl":
            self._write(b"".join(_line(each.fields) for each in found))
            return
        names = self._names.of(each.assigned_to for each in found if each.assigned_to)
        rows = (cells_of(each, names.get(each.assigned_to or "", "")) for each in found)
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
    """Return a whole document as one line; orjson writes no more than some 250 objects inside of one another."""
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
