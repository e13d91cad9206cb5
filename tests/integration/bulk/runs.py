"""Bulk runs over one results file, for tests."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from router.bulk import formats
from router.bulk.journal import Journal
from router.bulk.journal_header import Header
from router.bulk.records import ImportOptions
from router.bulk.results import Report
from router.bulk.rows import Row
from router.bulk.run import BulkRun
from tests.integration.manager_stores import CHILD, SHARD, Manager
from tests.integration.real_stores import RealStores

HEADER = Header({"command": "test", "dry_run": False}, "sha256:1")
NUMBERS = [f"+1415886790{digit}" for digit in range(8)]


class Bulk:
    """Runs that share one results file."""

    def __init__(self, stores: RealStores, folder: Path) -> None:
        self.stores = stores
        self.manager = Manager(stores)
        self.results = folder / "results.jsonl"

    def run(self, rows: Iterable[Row], *, batch: int = 3, header: Header = HEADER, **more: Any) -> Report:
        """Run once; an existing results file is resumed."""
        journal = Journal.open(self.results, header, 63877497874)
        return BulkRun(self.manager.manager, journal, batch=batch, **more).run(rows)

    def imported(self, text: str, **options: Any) -> Report:
        """Run over CSV or JSON lines."""
        return self.run(formats.read(io.BufferedReader(io.BytesIO(text.encode())), "-", ImportOptions(**options)))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All results in the file."""
        return [result for result in map(orjson.loads, self.results.read_bytes().splitlines()) if "row" in result]

    def lose(self, count: int, *, torn: bool = False) -> None:
        """Drop the last results, as a kill before their write would."""
        lines = self.results.read_bytes().splitlines(keepends=True)
        kept = b"".join(lines[:-count])
        self.results.write_bytes(kept + (lines[-count][:10] if torn else b""))

    def document(self, number: str, database: str = SHARD) -> dict[str, Any]:
        return dict(self.stores.databases.database(database).get(number))


def csv(*numbers: str, account: str = CHILD) -> str:
    return "e164,account_id\n" + "".join(f"{number},{account}\n" for number in numbers)
