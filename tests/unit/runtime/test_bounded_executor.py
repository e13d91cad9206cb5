"""Work that waits for threads is bounded, and cancelled work is not run."""

import asyncio
import threading
from contextlib import suppress

import pytest

from router.runtime.bounded_executor import BoundedExecutor


async def _until(seen: threading.Event) -> None:
    assert await asyncio.to_thread(seen.wait, 10)


def test_has_room_until_the_weight_is_reached() -> None:
    async def story() -> None:
        threads, go_on = BoundedExecutor("test", 1, 10), threading.Event()
        assert threads.has_room(50)  # one piece, whatever it weighs
        first = asyncio.ensure_future(threads.run(6, go_on.wait, 10))
        second = asyncio.ensure_future(threads.run(3, go_on.wait, 10))
        await asyncio.sleep(0)
        assert (threads.has_room(1), threads.has_room(2)) == (True, False)
        go_on.set()
        assert [await first, await second] == [True, True]
        assert threads.has_room(50)

    asyncio.run(story())


def test_cancelled_call_is_skipped_and_weighs_until_its_turn() -> None:
    async def story() -> None:
        threads, go_on, begun = BoundedExecutor("test", 1, 10), threading.Event(), threading.Event()
        done: list[str] = []

        def hold() -> bool:
            begun.set()
            return go_on.wait(10)

        busy = asyncio.ensure_future(threads.run(1, hold))
        await _until(begun)
        given_up = asyncio.ensure_future(threads.run(9, done.append, "given up"))
        await asyncio.sleep(0)
        given_up.cancel()
        with suppress(asyncio.CancelledError):
            await given_up
        assert not threads.has_room(1)
        go_on.set()
        assert await busy
        await threads.run(0, done.append, "wanted")
        assert done == ["wanted"]
        assert threads.has_room(10)

    asyncio.run(story())


def test_error_of_a_call_reaches_its_caller() -> None:
    async def story() -> None:
        threads = BoundedExecutor("test", 1, 1)
        with pytest.raises(ZeroDivisionError):
            await threads.run(1, divmod, 1, 0)
        assert threads.has_room(1)

    asyncio.run(story())
