"""Rate limits of logs that callers can cause: one line of each kind a minute, however often it happens."""

import logging
import threading
import time

LIBRARIES = ("grpc._cython.cygrpc", "pygrpc_native.server")
"""Loggers of the servers' libraries, which log every misbehaviour of a caller."""

_CALLER_LEFT = "ExecuteBatchError"
"""Name of grpcio's exception for a caller that disconnected."""
_INTERVAL = 60.0
"""Seconds between two lines of one kind."""
_MAX_KINDS = 64
"""Kinds with a limit of their own; further ones share one."""


class RateLimitFilter(logging.Filter):
    """Passes one message of each kind per interval, and appends the number of those it suppressed.

    A kind is a message's format string, without its arguments. The traceback of a caller that disconnected is removed.

    Args:
        interval: seconds between two messages of one kind.
    """

    def __init__(self, interval: float = _INTERVAL) -> None:
        super().__init__()
        self._interval = interval
        self._lock = threading.Lock()
        self._kinds: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a record."""
        kind = record.msg.partition("[")[0] if isinstance(record.msg, str) else type(record.msg).__name__
        now = time.monotonic()
        with self._lock:
            if kind not in self._kinds and len(self._kinds) >= _MAX_KINDS:
                kind = ""
            until, suppressed = self._kinds.get(kind, (0.0, 0))
            if now < until:
                self._kinds[kind] = (until, suppressed + 1)
                return False
            self._kinds[kind] = (now + self._interval, 0)
        if record.exc_info and record.exc_info[0] is not None and record.exc_info[0].__name__ == _CALLER_LEFT:
            record.exc_info = None
        if suppressed:
            record.msg, record.args = f"{record.getMessage()} (and {suppressed} times in between)", None
        return True


_LIBRARY_FILTER = RateLimitFilter()


def limit_library_logs() -> None:
    """Limit the servers' libraries; calling it again changes nothing."""
    for name in LIBRARIES:
        logging.getLogger(name).addFilter(_LIBRARY_FILTER)
