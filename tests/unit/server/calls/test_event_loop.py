"""A call source inside of an event loop."""

import asyncio
from typing import Any

from router.server.calls.event_loop import EventLoopCallSource


def test_respond_after_the_loop_has_closed_is_dropped() -> None:
    loop = asyncio.new_event_loop()
    unobserved: Any = None
    source = EventLoopCallSource(loop, 10, unobserved)

    async def submit() -> None:
        source.submit_all([b"one", b"two"], None)

    loop.run_until_complete(submit())
    loop.close()

    for call in source.take(10, 0.0):
        source.respond(call[1], b"answer")
