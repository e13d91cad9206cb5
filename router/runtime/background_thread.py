"""A daemon thread that repeats a step until it is stopped, whatever fails."""

import logging
import threading
from collections.abc import Callable

from router.runtime.backoff import RECONNECT, Backoff

Step = Callable[[], float | None]
"""One turn; returns the seconds until the next one, or None for the thread's interval."""


class BackgroundThread:
    """Repeats a step in a daemon thread.

    An exception ends neither the thread nor the service: it is logged, and the step is repeated after a back-off.
    `wake` ends a wait early. Code inside the step that waits does so with `wait`, so that `stop` ends it.

    Args:
        name: of the thread.
        step: one turn.
        failing: logged when a turn fails, such as "comparing databases failed".
        interval: seconds between the end of a turn and the next one, unless the step returns others; None waits for
            `wake`.
        starts_at_once: take the first turn without waiting.
        expected: exceptions that are logged as a warning without a traceback.
        logs_repeats: log every expected failure; else only the first one of a series, and the others for debugging.
        backoff: between failed turns.
        at_end: called in the thread after `stop`; such as to write what still waits.
        log: the logger of the caller.

    Attributes:
        failures: consecutive failed turns. A turn that lasts, such as a subscription, resets it once it has succeeded.
        woken: whether the present turn was requested by `wake`.
    """

    def __init__(
        self,
        name: str,
        step: Step,
        *,
        failing: str,
        interval: float | None,
        log: logging.Logger,
        starts_at_once: bool = True,
        expected: tuple[type[Exception], ...] = (),
        logs_repeats: bool = True,
        backoff: Backoff = RECONNECT,
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._step = step
        self._failing = failing
        self._interval = interval
        self._log = log
        self._first_wait = 0.0 if starts_at_once else interval
        self._expected = expected
        self._logs_repeats = logs_repeats
        self._backoff = backoff
        self._at_end = at_end
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)
        self.failures = 0
        self.woken = False

    @property
    def stopping(self) -> bool:
        """Return whether `stop` was called."""
        return self._stopping.is_set()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, once."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end after its present turn; safe in a signal handler."""
        self._stopping.set()
        self._wake.set()

    def join(self, seconds: float | None = None) -> None:
        """Wait at most so many seconds for the thread to end; return at once before `start`, or in this thread."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=seconds)

    def wake(self) -> None:
        """Take the next turn now, or after the present one."""
        self._wake.set()

    def wait(self, seconds: float) -> bool:
        """Wait inside of a turn; return whether `wake` or `stop` ended the wait."""
        return self._wake.wait(seconds)

    def run(self) -> None:
        """Repeat the step in the calling thread until `stop`."""
        seconds = self._first_wait
        while True:
            self.woken = self._wake.wait(seconds)
            # Before the test: cleared after it, a `stop` in between would be noticed only after the next wait.
            self._wake.clear()
            if self._stopping.is_set():
                break
            seconds = self._turn()
        self._at_end()

    def _turn(self) -> float | None:
        try:
            seconds = self._step()
        except Exception as problem:  # noqa: BLE001 - logged, with its traceback where it is not expected
            self.failures += 1
            delay = self._backoff.delay(self.failures)
            self._report(problem, delay)
            return delay
        self.failures = 0
        return self._interval if seconds is None else seconds

    def _report(self, problem: Exception, seconds: float) -> None:
        if self.stopping:  # clients may be closed already
            return
        if not isinstance(problem, self._expected):
            self._log.error("%s, again in %.1f s", self._failing, seconds, exc_info=problem)
            return
        level = logging.WARNING if self._logs_repeats or self.failures == 1 else logging.DEBUG
        self._log.log(level, "%s, again in %.1f s: %s", self._failing, seconds, problem)
