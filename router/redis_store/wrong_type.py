"""What is of another type under our keys: somebody else's, in the way of everything until it is removed."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import redis

log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

STRING, HASH, SET, NONE = b"string", b"hash", b"set", b"none"


def is_wrong_type(problem: Exception) -> bool:
    """Whether Redis says that a key is not of the type that was asked for."""
    return isinstance(problem, redis.ResponseError) and "WRONGTYPE" in str(problem)


def retry_replacing_wrong_type(client: Any, kinds: Mapping[str, bytes], act: Callable[[], _Answer]) -> _Answer:
    """Ask Redis; where a key is not of our type, remove it and ask again, as if nothing had been there.

    Args:
        kinds: the keys that are asked for, and their types as Redis names them.

    Raises:
        redis.RedisError: Redis can't be asked, or refuses to write.
    """
    try:
        return act()
    except redis.ResponseError as problem:
        if not is_wrong_type(problem):
            raise
        for key, kind in kinds.items():
            if client.type(key) not in {kind, NONE}:
                log.error("%s held something that is not ours, and was removed: no other program may write there", key)
                client.delete(key)
        return act()
