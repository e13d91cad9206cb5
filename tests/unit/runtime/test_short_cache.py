"""Results for short arguments are kept, those for long ones are not."""

from router.runtime.short_cache import LONGEST_KEY, cached_if_short


def _calls_for(first: bytes, second: bytes) -> int:
    """Return how often the function runs when it is called twice."""
    calls: list[bytes] = []

    @cached_if_short(2)
    def length(value: bytes, other: bytes) -> int:
        calls.append(value)
        return len(value) + len(other)

    assert [length(first, second), length(first, second)] == [len(first) + len(second)] * 2
    return len(calls)


def test_result_of_short_arguments_is_kept() -> None:
    half = b"a" * (LONGEST_KEY // 2)
    assert _calls_for(half, half) == 1


def test_result_of_long_arguments_is_not_kept() -> None:
    half = b"a" * (LONGEST_KEY // 2)
    assert _calls_for(half, half + b"b") == 2
