"""A background thread repeats its step whatever fails, and ends when it is stopped."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from router.runtime.background_thread import BackgroundThread, Step
from router.runtime.backoff import Backoff
from tests.support.waiting import eventually

log = logging.getLogger("tests.background_thread")
SOON = 5.0
"""Seconds within which a thread of this test does anything."""


@pytest.fixture
def run() -> Iterator[Callable[..., BackgroundThread]]:
    threads = []

    def start(step: Step, interval: float = 60.0, **options: Any) -> BackgroundThread:
        thread = BackgroundThread(
            "tested",
            step,
            failing="the step failed",
            interval=interval,
            log=log,
            expected=(ConnectionError,),
            backoff=Backoff(0.001, 0.001),
            **options,
        )
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for each in threads:
        each.stop()
        each.join(SOON)
        assert not each.is_alive


def test_step_is_repeated_after_the_interval(run: Callable[..., BackgroundThread]) -> None:
    turns = threading.Semaphore(0)

    run(turns.release, 0.001)

    assert all(turns.acquire(timeout=SOON) for _ in range(3))


def test_returned_delay_goes_before_the_interval(run: Callable[..., BackgroundThread]) -> None:
    turns = threading.Semaphore(0)

    def step() -> float:
        turns.release()
        return 0.001

    run(step, 60.0)

    assert all(turns.acquire(timeout=SOON) for _ in range(3))


def test_first_step_can_wait_for_a_wake_up(run: Callable[..., BackgroundThread]) -> None:
    turns = threading.Semaphore(0)
    thread = run(turns.release, 60.0, starts_at_once=False)

    assert not turns.acquire(timeout=0.05)
    thread.wake()
    assert turns.acquire(timeout=SOON)


def test_wake_takes_the_next_turn_and_is_reported_to_it(run: Callable[..., BackgroundThread]) -> None:
    reported: list[bool] = []
    turns = threading.Semaphore(0)
    threads: list[BackgroundThread] = []

    def step() -> None:
        reported.append(bool(threads) and threads[0].woken)
        turns.release()

    threads.append(run(step))
    assert turns.acquire(timeout=SOON)
    threads[0].wake()
    assert turns.acquire(timeout=SOON)
    assert reported == [False, True]


def test_wake_during_a_turn_takes_another_one(run: Callable[..., BackgroundThread]) -> None:
    inside, go_on, turns = threading.Event(), threading.Event(), threading.Semaphore(0)

    def step() -> None:
        inside.set()
        assert go_on.wait(SOON)
        turns.release()

    thread = run(step)
    assert inside.wait(SOON)
    thread.wake()
    go_on.set()

    assert turns.acquire(timeout=SOON)
    assert turns.acquire(timeout=SOON)


@pytest.mark.parametrize(
    ("problem", "level", "has_traceback"),
    [(ConnectionError("away"), logging.WARNING, False), (RuntimeError("a fault"), logging.ERROR, True)],
)
def test_failed_turn_is_logged_and_repeated(
    run: Callable[..., BackgroundThread],
    caplog: pytest.LogCaptureFixture,
    problem: Exception,
    level: int,
    has_traceback: bool,
) -> None:
    done = threading.Event()
    failures: list[int] = []
    threads: list[BackgroundThread] = []

    def step() -> None:
        failures.append(threads[0].failures)
        if len(failures) < 3:
            raise problem
        done.set()

    threads.append(run(step, 60.0, starts_at_once=False))
    threads[0].wake()

    assert done.wait(SOON)
    assert failures == [0, 1, 2]
    records = [record for record in caplog.records if record.name == log.name]
    assert [(each.levelno, bool(each.exc_info)) for each in records] == [(level, has_traceback)] * 2
    assert all("the step failed" in each.getMessage() for each in records)


def test_repeated_failures_can_be_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    thread: BackgroundThread

    def step() -> None:
        if thread.failures == 3:
            thread.stop()
        raise ConnectionError

    thread = BackgroundThread(
        "tested",
        step,
        failing="the step failed",
        interval=0.0,
        log=log,
        expected=(ConnectionError,),
        logs_repeats=False,
        backoff=Backoff(0.001, 0.001),
    )
    with caplog.at_level(logging.INFO):
        thread.run()

    assert [record.levelno for record in caplog.records if record.name == log.name] == [logging.WARNING]


def test_success_resets_the_failures(run: Callable[..., BackgroundThread]) -> None:
    turns = threading.Semaphore(0)
    outcomes = iter((ConnectionError("away"), None))

    def step() -> None:
        turns.release()
        problem = next(outcomes, None)
        if problem is not None:
            raise problem

    thread = run(step)
    assert turns.acquire(timeout=SOON)
    assert turns.acquire(timeout=SOON)
    end = time.monotonic() + SOON
    while thread.failures and time.monotonic() < end:
        time.sleep(0.001)
    assert thread.failures == 0


def test_stop_ends_a_wait_inside_a_turn(run: Callable[..., BackgroundThread]) -> None:
    inside = threading.Event()
    threads: list[BackgroundThread] = []

    def step() -> None:
        inside.set()
        threads[0].wait(60.0)

    threads.append(run(step, 60.0, starts_at_once=False))
    threads[0].wake()
    assert inside.wait(SOON)
    threads[0].stop()
    threads[0].join(SOON)

    assert not threads[0].is_alive


def test_thread_that_was_not_started_can_be_stopped_and_joined() -> None:
    thread = BackgroundThread("unused", lambda: None, failing="never", interval=1.0, log=log)

    thread.stop()
    thread.join(SOON)

    assert thread.stopping


def test_last_act_follows_the_last_turn_in_the_thread(run: Callable[..., BackgroundThread]) -> None:
    acts: list[tuple[str, str]] = []

    def note(act: str) -> None:
        acts.append((act, threading.current_thread().name))

    thread = run(lambda: note("turn"), 60.0, at_end=lambda: note("end"))
    eventually(lambda: acts)
    thread.stop()
    thread.join(SOON)

    assert acts == [("turn", "tested"), ("end", "tested")]
