"""A delay grows with the failures, differs each time, and stays bounded."""

from router.runtime.backoff import RECONNECT, Backoff, contention_delay

SAMPLES = 50


def test_delay_is_never_zero_and_never_too_long() -> None:
    delays = [RECONNECT.delay(failures) for failures in (0, 1, 5, 16, 10_000) for _ in range(SAMPLES)]

    assert all(RECONNECT.floor <= delay <= RECONNECT.maximum + RECONNECT.floor for delay in delays)


def test_delay_grows() -> None:
    assert max(RECONNECT.delay(1) for _ in range(SAMPLES)) < max(RECONNECT.delay(8) for _ in range(SAMPLES))


def test_clients_that_failed_together_do_not_return_together() -> None:
    assert len({RECONNECT.delay(6) for _ in range(SAMPLES)}) > 40


def test_without_jitter_a_delay_doubles_up_to_its_maximum() -> None:
    backoff = Backoff(0.5, 8.0, jitter=0.0)

    assert [backoff.delay(failures) for failures in range(6)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]


def test_equal_jitter_keeps_half_of_the_delay() -> None:
    backoff = Backoff(1.0, 8.0, jitter=0.5)

    assert all(2.0 <= backoff.delay(2) <= 4.0 for _ in range(SAMPLES))


def test_contention_grows_linearly() -> None:
    delays = [contention_delay(3, 0.02) for _ in range(SAMPLES)]

    assert all(0.0 <= delay <= 0.06 for delay in delays)
    assert max(delays) > 0.02
