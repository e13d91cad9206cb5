"""What landings say about the wait of the next."""

import pytest

from router.lookup.pace import Pace


def test_the_wait_grows_with_those_ahead() -> None:
    pace = Pace()
    assert pace.wait(1000) == 0.0, "nothing is known yet"
    for _ in range(200):
        pace.landed(took=0.5, ahead=100)
    assert pace.wait(100) == pytest.approx(0.5, rel=0.01)
    assert pace.wait(200) == pytest.approx(1.0, rel=0.01)


def test_a_few_are_never_too_many() -> None:
    pace = Pace()
    for _ in range(200):
        pace.landed(took=9.0, ahead=20)
    assert pace.wait(31) == 0.0
    assert pace.wait(32) > 9.0


def test_one_slow_read_at_rest_tells_nothing_of_a_busy_store() -> None:
    pace = Pace()
    for _ in range(200):
        pace.landed(took=1.0, ahead=0)
    assert pace.wait(1000) == 0.0


def test_a_store_that_got_faster_is_believed() -> None:
    pace = Pace()
    for _ in range(200):
        pace.landed(took=5.0, ahead=50)
    slow = pace.wait(50)
    for _ in range(100):
        pace.landed(took=0.05, ahead=50)
    assert pace.wait(50) < slow / 50
