"""An event loop in a daemon thread of its own."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

log = logging.getLogger(__name__)


class EventLoopThread:
    """Runs one coroutine in an event loop, in a daemon thread; the loop is closed when the coroutine ends.

    Args:
        name: of the thread; names it in the log when the coroutine fails.
        serve: runs until `stopped` is set; None only waits for that, while the loop does what it is handed.
        loop: None for one of uvloop.

    Attributes:
        loop: its event loop, for work that is handed over before or after `start`.
        stopped: set by `stop`, in the event loop.
    """

    def __init__(
        self,
        name: str,
        serve: Callable[[], Coroutine[Any, Any, Any]] | None = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = loop or uvloop.new_event_loop()
        self.stopped = asyncio.Event()
        self._serve = serve or self.stopped.wait
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, once."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Set `stopped`, and wait at most so many seconds for the coroutine to end; return at once before `start`."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(RuntimeError):  # the coroutine has ended by itself, and closed the loop
            self.loop.call_soon_threadsafe(self.stopped.set)
        self._thread.join(seconds)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._serve())
        except Exception:
            log.exception("%s failed", self._thread.name)
        finally:
            self.loop.close()
