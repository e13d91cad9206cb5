"""The JSON printed by `--json`: every key is always present, a missing value is null, and one thing has one shape.

The schemas are in docs/schemas; tests check every command against them.
"""

from collections.abc import Iterable, Mapping


def text_or_null(text: str | None) -> str | None:
    """Return a text, or None if it is empty."""
    return text or None


def failed_databases(found: Mapping[str, str]) -> list[dict[str, str]]:
    """Return databases that failed, sorted by name, with the reason."""
    return [{"database": name, "message": why} for name, why in sorted(found.items())]


def skipped(found: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Return skipped documents (database, id, reason)."""
    return [{"database": database, "id": identifier, "message": why} for database, identifier, why in found]
