"""Progress of long operations over databases and documents."""


class Progress:
    """Receives the progress of a warm-up or an audit; this base class ignores it."""

    def total(self, databases: int, documents: int) -> None:
        """Set the numbers of databases and documents."""

    def documents(self, count: int) -> None:
        """Add finished documents."""

    def database(self, name: str) -> None:
        """Add a finished database."""
