"""An event loop in a thread serves until it is stopped, and is closed afterwards."""

import asyncio
import logging

import pytest

from router.runtime.event_loop_thread import EventLoopThread

SOON = 5.0


def test_coroutine_runs_until_stop_and_its_loop_is_closed() -> None:
    ended: list[bool] = []

    async def serve() -> None:
        await thread.stopped.wait()
        ended.append(True)

    thread = EventLoopThread("tested", serve)
    thread.start()
    assert not ended

    thread.stop(SOON)

    assert ended
    assert not thread.is_alive
    assert thread.loop.is_closed()


def test_thread_without_a_coroutine_does_what_it_is_handed() -> None:
    thread = EventLoopThread("tested")
    thread.start()

    assert asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "done"), thread.loop).result(SOON) == "done"
    thread.stop(SOON)

    assert thread.loop.is_closed()


def test_failed_coroutine_is_logged_and_stop_returns(caplog: pytest.LogCaptureFixture) -> None:
    async def serve() -> None:
        raise ValueError("out of order")

    thread = EventLoopThread("tested", serve)
    with caplog.at_level(logging.ERROR):
        thread.start()
        thread.stop(SOON)

    assert "tested failed" in caplog.text
    assert not thread.is_alive


def test_stop_before_the_start_returns_at_once() -> None:
    thread = EventLoopThread("tested")

    thread.stop(SOON)

    assert not thread.loop.is_closed()
    thread.loop.close()
