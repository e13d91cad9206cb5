"""Completions estimate the wait of the next read."""

import pytest

from router.lookup.wait_estimator import WaitEstimator


def _complete(estimator: WaitEstimator, took: float, ahead: int, *, times: int = 200, at: float = 1.0) -> None:
    for _ in range(times):
        estimator.completed(took, ahead, at)


def test_estimated_wait_grows_with_the_reads_ahead() -> None:
    estimator = WaitEstimator()
    assert estimator.wait(1000) == 0.0, "nothing is known yet"
    _complete(estimator, took=0.5, ahead=100)
    assert estimator.wait(100) == pytest.approx(0.5)
    assert estimator.wait(200) == pytest.approx(1.0)


def test_few_numbers_in_flight_have_no_expected_wait() -> None:
    estimator = WaitEstimator()
    _complete(estimator, took=9.0, ahead=20)
    assert estimator.wait(31) == 0.0
    assert estimator.wait(32) > 9.0


def test_slow_read_of_an_idle_store_changes_nothing() -> None:
    estimator = WaitEstimator()
    _complete(estimator, took=1.0, ahead=0)
    assert estimator.wait(1000) == 0.0


def test_one_large_read_counts_as_one_of_several() -> None:
    estimator = WaitEstimator()
    for at, took in enumerate((0.2, 0.3, 0.2, 0.3)):
        _complete(estimator, took, ahead=100, at=1.0 + at / 100)
    assert estimator.wait(100) == pytest.approx(0.25, rel=0.05)


def test_store_that_got_faster_lowers_the_estimate() -> None:
    estimator = WaitEstimator()
    _complete(estimator, took=5.0, ahead=50, at=1.0)
    slow = estimator.wait(50)
    _complete(estimator, took=0.05, ahead=50, at=4.0)
    assert estimator.wait(50) < slow / 50
