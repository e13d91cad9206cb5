"""Rows of CSV texts."""

import io

from router.bulk import csv_rows
from router.bulk.records import ImportOptions
from router.bulk.rows import Row

ACCOUNT = "4cad0b7f" * 4


def rows(text: str | bytes, **options: object) -> list[Row]:
    raw = text if isinstance(text, bytes) else text.encode()
    return list(csv_rows.read(io.BytesIO(raw), ImportOptions(**options)))  # type: ignore[arg-type]
