"""Recovers from WRONGTYPE: a key of ours that another program wrote is deleted, and the deletion is logged."""

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

import redis

from router.redis_store.commands import RedisClient

log = logging.getLogger(__name__)

_Reply = TypeVar("_Reply")

STRING, HASH, SET, NONE = b"string", b"hash", b"set", b"none"


def is_wrong_type(problem: Exception) -> bool:
    """Return whether an error of Redis says that a key has another type than the command needs."""
    return isinstance(problem, redis.ResponseError) and "WRONGTYPE" in str(problem)


def retry_replacing_wrong_type(
    client: RedisClient, types: Mapping[str, bytes], command: Callable[[], _Reply]
) -> _Reply:
    """Run a command; where a key has a wrong type, delete the key and run the command again.

    Args:
        types: the command's keys, and their types as TYPE names them.

    Raises:
        redis.RedisError: Redis can't be reached, or refuses to write.
    """
    try:
        return command()
    except redis.ResponseError as problem:
        if not is_wrong_type(problem):
            raise
        for key, expected in types.items():
            if (found := client.type(key)) not in {expected, NONE}:
                log.error("deleted a key that another program wrote: key=%s type=%s", key, found.decode())
                client.delete(key)
        return command()
