"""Records of single lookups: the last refused and slow ones, and the call log."""

import contextlib
import logging
import queue
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any, NamedTuple

from router.numbers.fields import printable
from router.runtime.background_thread import BackgroundThread
from router.runtime.masking import mask_numbers

log = logging.getLogger("router.calls")

MAX_RECENT = 1000
"""Records that a worker keeps; each takes about half a kilobyte."""
_MAX_WAITING = 10_000
"""Lines that wait for the log."""
_STOP_POLL_INTERVAL = 0.2
_MAX_TEXT = 256
"""Characters of a caller's text in a record: as many as a number that is read may have bytes."""


class CallRecord(NamedTuple):
    """A lookup that has its response.

    Attributes:
        at: Unix time of the response.
        asked: the number as the caller wrote it, bounded and printable; where the near cache refused a request by its
            bytes, the same as `number`; empty where the request was not read.
        number: in E.164; empty where it was not normalised.
        result, reason, source: as in the metric did_router_lookups_total.
        seconds: from taking the call to its response; None where the response stood ready.
        message: the message that the caller got.
        trace_id: of the call's `traceparent`; empty without one.
        calls: lookups that were refused together, of which this is the first.
    """

    at: float
    protocol: str
    asked: str
    number: str
    dial_plan: str
    result: str
    reason: str
    source: str
    account_id: str
    seconds: float | None
    message: str
    trace_id: str
    calls: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return it as `did-router recent --json` and the call log have it."""
        when = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        seconds = None if self.seconds is None else round(self.seconds, 6)
        fields = {name: value or None for name, value in self._asdict().items() if isinstance(value, str)}
        return {"time": when, **fields, "seconds": seconds, "calls": self.calls}


class RecentCalls:
    """The last refused and slow lookups of a worker. Thread-safe: a deque's steps are atomic."""

    def __init__(self) -> None:
        self._records: deque[CallRecord] = deque(maxlen=MAX_RECENT)
        self.add = self._records.append

    def newest(self) -> list[CallRecord]:
        """Return all records, the newest first."""
        return sorted(self._records.copy(), key=lambda record: -record.at)


class CallLog:
    """Writes log lines of lookups in a thread of its own; a line that finds no room is dropped and counted.

    Args:
        masked: write numbers without their last digits.

    Attributes:
        dropped: lines that found no room.
    """

    def __init__(self, *, masked: bool) -> None:
        self._masked = masked
        self._queue: queue.Queue[CallRecord] = queue.Queue(_MAX_WAITING)
        self._thread = BackgroundThread(
            "call-log",
            self._write_waiting,
            failing="writing the call log failed",
            interval=0.0,
            log=logging.getLogger(__name__),
            at_end=self._write_waiting,
        )
        self.dropped = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end the thread."""
        self._thread.stop()
        self._thread.join(2)

    def add(self, record: CallRecord) -> None:
        """Have a line written."""
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def _write_waiting(self) -> None:
        with contextlib.suppress(queue.Empty):
            record = self._queue.get(timeout=_STOP_POLL_INTERVAL)
            while True:
                self._write(record)
                record = self._queue.get_nowait()

    def _write(self, record: CallRecord) -> None:
        fields = {name: value for name, value in record.to_json().items() if value is not None and name != "time"}
        if self._masked:
            fields = {name: mask_numbers(value) if isinstance(value, str) else value for name, value in fields.items()}
        text = " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())
        log.info("call: %s", text, extra={"event": "call", "keys": fields})


def _quoted(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text else text


def presentable(text: str) -> str:
    """Return a caller's text as a record may hold it: of bounded length, and without control characters.

    A request of a megabyte must not fill the memory, and none may write lines of its own into the log.
    """
    return text if len(text) <= _MAX_TEXT and text.isprintable() else printable(text, _MAX_TEXT)


def now() -> float:
    """Return the time of a record."""
    return time.time()
