"""Progress of long work over databases and documents."""


class Progress:
    """Receives the progress of a warm-up or an audit; this base class ignores it."""

    def total(self, databases: int, documents: int) -> None:
        """Set how many databases and documents there are."""

    def documents(self, count: int) -> None:
        """Add documents that are done."""

    def database(self, name: str) -> None:
        """Add a database that is done."""
