"""Replies of Redis and of the scripts, decoded; shared by the stores."""

import time
from collections.abc import Sequence
from enum import Enum
from typing import Any

from router.redis_store.wrong_type import is_wrong_type


class ApplyResult(Enum):
    """The outcome of applying a batch of changes."""

    OK = "ok"
    FENCED = "fenced"
    """Another follower took over: stop."""
    CHECKPOINT_CONFLICT = "checkpoint_conflict"
    """The checkpoint is not the expected one (flushed, restored, rebuilt): read it and go on from there."""


def apply_outcome(reply: Sequence[Any]) -> tuple[ApplyResult, list[int]]:
    """Decode the reply of a script that applies changes: its outcome, and indexes of the older ones."""
    return ApplyResult(reply[0].decode()), [int(index) for index in reply[1:]]


def unless_wrong_type(reply: Any) -> Any:
    """Return a pipeline's reply for one key; None where the key has a foreign type.

    Raises:
        redis.RedisError: the reply is any other error.
    """
    if not isinstance(reply, Exception):
        return reply
    if is_wrong_type(reply):
        return None
    raise reply


def text(value: bytes | None) -> str:
    """Decode a value; empty for a missing one."""
    return "" if value is None else value.decode("utf-8", "replace")


def now() -> str:
    """Return the time as the scripts store it: Unix seconds with milliseconds."""
    return f"{time.time():.3f}"
