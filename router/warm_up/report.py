"""The result of a warm-up."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class WarmReport:
    """Result of a warm-up.

    Attributes:
        databases: number of databases to fill; filled: read from the start; current: had a complete checkpoint.
        read: changes read; written: entries applied; not_numbers: design documents.
        failed_databases: database → reason why the cache lacks it.
        skipped: (database, id, reason) of documents that no lookup can reach.
        watched: a leading follower did the work.
        seconds: duration.
    """

    databases: int = 0
    filled: int = 0
    current: int = 0
    read: int = 0
    written: int = 0
    not_numbers: int = 0
    failed_databases: dict[str, str] = field(default_factory=dict)
    skipped: list[tuple[str, str, str]] = field(default_factory=list)
    watched: bool = False
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Documents per second."""
        return self.read / self.seconds if self.seconds else 0.0

    @property
    def complete(self) -> bool:
        """Return whether nothing was left out."""
        return not self.failed_databases and not self.skipped
