"""A pause grows with the failures, differs each time, and stays bounded."""

from router.runtime.backoff import INITIAL_DELAY, MAX_DELAY, backoff_delay


def test_it_is_never_nothing_and_never_too_long() -> None:
    assert all(
        INITIAL_DELAY / 2 <= backoff_delay(failures) <= MAX_DELAY + INITIAL_DELAY
        for failures in (0, 1, 5, 16, 10_000)
        for _ in range(50)
    )


def test_it_grows() -> None:
    assert max(backoff_delay(1) for _ in range(50)) < max(backoff_delay(8) for _ in range(50))


def test_two_that_failed_together_do_not_come_back_together() -> None:
    assert len({backoff_delay(6) for _ in range(50)}) > 40
