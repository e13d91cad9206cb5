"""What landings say about the wait of the next."""

import pytest

from router.lookup.wait_estimator import WaitEstimator


def _landed(pace: WaitEstimator, took: float, ahead: int, *, times: int = 200, at: float = 1.0) -> None:
    for _ in range(times):
        pace.landed(took, ahead, at)


def test_the_wait_grows_with_those_ahead() -> None:
    pace = WaitEstimator()
    assert pace.wait(1000) == 0.0, "nothing is known yet"
    _landed(pace, took=0.5, ahead=100)
    assert pace.wait(100) == pytest.approx(0.5)
    assert pace.wait(200) == pytest.approx(1.0)


def test_a_few_are_never_too_many() -> None:
    pace = WaitEstimator()
    _landed(pace, took=9.0, ahead=20)
    assert pace.wait(31) == 0.0
    assert pace.wait(32) > 9.0


def test_one_slow_read_at_rest_tells_nothing_of_a_busy_store() -> None:
    pace = WaitEstimator()
    _landed(pace, took=1.0, ahead=0)
    assert pace.wait(1000) == 0.0


def test_one_read_that_brings_many_is_one_of_several() -> None:
    pace = WaitEstimator()
    for at, took in enumerate((0.2, 0.3, 0.2, 0.3)):
        _landed(pace, took, ahead=100, at=1.0 + at / 100)
    assert pace.wait(100) == pytest.approx(0.25, rel=0.05)


def test_a_store_that_got_faster_is_believed() -> None:
    pace = WaitEstimator()
    _landed(pace, took=5.0, ahead=50, at=1.0)
    slow = pace.wait(50)
    _landed(pace, took=0.05, ahead=50, at=4.0)
    assert pace.wait(50) < slow / 50
