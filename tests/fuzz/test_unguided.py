"""Without coverage to guide it, too, a broken promise is found, and made small."""

import pytest

from tests.fuzz.target import Target
from tests.fuzz.unguided import Unguided


def test_broken_promise_is_found_and_made_small() -> None:
    def check(data: bytes) -> None:
        assert b"ab" not in data

    unguided = Unguided(Target("planted", check, dictionary=("ab", "c")))
    with pytest.raises(AssertionError):
        unguided.run(20.0)
    assert unguided.smallest == b"ab"


def test_unguided_run_executes_for_the_given_time() -> None:
    unguided = Unguided(Target("planted", len))  # type: ignore[arg-type]
    unguided.run(0.001)
    assert unguided.executions > 0
