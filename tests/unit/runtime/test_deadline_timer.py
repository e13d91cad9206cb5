"""The alarm calls what is due, in the order of its times."""

import threading
import time
from collections.abc import Iterator

import pytest

from router.runtime.deadline_timer import DeadlineTimer
from tests.support.waiting import eventually


@pytest.fixture
def alarm() -> Iterator[DeadlineTimer]:
    made = DeadlineTimer()
    made.start()
    yield made
    made.stop()


def test_callbacks_are_called_in_the_order_of_their_times(alarm: DeadlineTimer) -> None:
    done: list[int] = []
    now = time.monotonic()
    for index in (3, 1, 2, 0):
        alarm.at(now + index * 0.01, lambda index=index: done.append(index))  # type: ignore[misc]
    eventually(lambda: done == [0, 1, 2, 3])


def test_sooner_callback_wakes_the_timer(alarm: DeadlineTimer) -> None:
    done = threading.Event()
    alarm.at(time.monotonic() + 3600, lambda: None)
    alarm.at(time.monotonic() + 0.01, done.set)
    assert done.wait(5)


def test_callback_is_not_called_before_its_time(alarm: DeadlineTimer) -> None:
    times: list[float] = []
    expected = time.monotonic() + 0.05
    alarm.at(expected, lambda: times.append(time.monotonic()))
    eventually(lambda: times)
    assert times[0] >= expected


def test_overdue_callback_is_called_at_once(alarm: DeadlineTimer) -> None:
    done = threading.Event()
    alarm.at(0.0, done.set)
    assert done.wait(5)


def test_one_that_fails_does_not_stop_the_others(alarm: DeadlineTimer) -> None:
    done = threading.Event()

    def fail() -> None:
        raise ValueError("on purpose")

    alarm.at(0.0, fail)
    alarm.at(time.monotonic() + 0.02, done.set)
    assert done.wait(5)
