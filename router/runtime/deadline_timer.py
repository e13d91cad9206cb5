"""Timer thread: calls functions at their times, such as to end a wait that nothing else ends."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class DeadlineTimer:
    """Calls functions at their times, one after the other, in a thread of its own.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str = "deadline-timer") -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; functions whose time has not come are dropped."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def join(self, seconds: float) -> None:
        """Wait at most so many seconds for the function that runs."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Call `act` at a time of the monotonic clock."""
        with self._changed:
            heapq.heappush(self._heap, (when, next(self._order), act))
            if self._heap[0][2] is act:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                wait = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                act = heapq.heappop(self._heap)[2]
            try:
                act()
            except Exception:
                # The thread must go on: the calls behind the next timers have nothing else to end their wait.
                log.exception("timer function failed: thread=%s", self._thread.name)
