"""Bounds the open TCP connections of one port of a worker, in all and from one address."""

from collections import Counter
from collections.abc import Callable


class ConnectionLimit:
    """Counts open connections; used inside one event loop.

    Args:
        total: connections at a time; of_address: the same, from one address, None for any number.
        drop: counts connections that are closed at once.
    """

    def __init__(self, total: int, drop: Callable[[str], None], *, of_address: int | None = None) -> None:
        self._total = total
        self._of_address = total if of_address is None else of_address
        self._drop = drop
        self._open: Counter[str] = Counter()
        self._count = 0

    def open(self, address: str) -> bool:
        """Count a connection until `close`; return whether there is room for it."""
        self._count += 1
        self._open[address] += 1
        if self._count <= self._total and self._open[address] <= self._of_address:
            return True
        self._drop("too_many_connections")
        return False

    def close(self, address: str) -> None:
        """Count a connection out."""
        self._count -= 1
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]
