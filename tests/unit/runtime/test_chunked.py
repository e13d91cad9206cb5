"""Sequences in parts."""

import pytest

from router.runtime.chunked import chunked


@pytest.mark.parametrize(
    ("items", "size", "parts"),
    [
        ([], 2, []),
        ([1], 2, [[1]]),
        ([1, 2], 2, [[1, 2]]),
        ([1, 2, 3], 2, [[1, 2], [3]]),
        ([1, 2, 3], 5, [[1, 2, 3]]),
    ],
)
def test_parts_are_whole_but_the_last(items: list[int], size: int, parts: list[list[int]]) -> None:
    assert list(chunked(items, size)) == parts


def test_parts_are_of_the_sequences_own_type() -> None:
    assert list(chunked((1, 2, 3), 2)) == [(1, 2), (3,)]
    assert list(chunked("abc", 2)) == ["ab", "c"]
