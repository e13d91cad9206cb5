"""Sequences in parts of at most a given size."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

S = TypeVar("S", bound=Sequence[Any])


def chunked(items: S, size: int) -> Iterator[S]:
    """Yield consecutive slices of at most `size` items; nothing for an empty sequence.

    Like `itertools.batched`, which Python 3.11 lacks, but of the sequence's own type.
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]  # type: ignore[misc]  # a slice of a sequence is of its own type
