"""A pause grows with the failures, differs each time, and stays bounded."""

from router.runtime.backoff import FIRST, LONGEST, pause


def test_it_is_never_nothing_and_never_too_long() -> None:
    assert all(FIRST / 2 <= pause(failures) <= LONGEST + FIRST for failures in (0, 1, 5, 16, 10_000) for _ in range(50))


def test_it_grows() -> None:
    assert max(pause(1) for _ in range(50)) < max(pause(8) for _ in range(50))


def test_two_that_failed_together_do_not_come_back_together() -> None:
    assert len({pause(6) for _ in range(50)}) > 40
