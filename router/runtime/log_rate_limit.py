"""Logs that strangers can cause: a line of each kind a minute, however often it happens."""

import logging
import threading
import time

LIBRARIES = ("grpc._cython.cygrpc", "pygrpc_native.server")
"""Loggers of the servers, which tell of a caller's misbehaviour each time."""

_GONE = "ExecuteBatchError"
"""What grpcio raises where a caller is no longer there."""
_EVERY = 60.0
_MOST_KINDS = 64


class RateLimitFilter(logging.Filter):
    """Lets a message through when none of its kind was let through for a minute, and says how many were not.

    A kind is a message as it stands in the code, without what is put into it. That a caller went away while he was
    answered needs no traceback.
    """

    def __init__(self, every: float = _EVERY) -> None:
        super().__init__()
        self._every = every
        self._lock = threading.Lock()
        self._kinds: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it."""
        kind = record.msg.partition("[")[0] if isinstance(record.msg, str) else type(record.msg).__name__
        now = time.monotonic()
        with self._lock:
            if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
                kind = ""
            until, kept_back = self._kinds.get(kind, (0.0, 0))
            if now < until:
                self._kinds[kind] = (until, kept_back + 1)
                return False
            self._kinds[kind] = (now + self._every, 0)
        if record.exc_info and record.exc_info[0] is not None and record.exc_info[0].__name__ == _GONE:
            record.exc_info = None
        if kept_back:
            record.msg, record.args = f"{record.getMessage()} (and {kept_back} times in between)", None
        return True


_SELDOM = RateLimitFilter()


def limit_library_logs() -> None:
    """Have the servers' libraries log seldom; again changes nothing."""
    for name in LIBRARIES:
        logging.getLogger(name).addFilter(_SELDOM)
