"""The Lua scripts that change the cache: each is a transaction within the slot of one database."""

from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from router.entries.codec import ACCOUNT, HEADER, LENGTH, VERSION
from router.redis_store.client import drop_connections
from router.redis_store.commands import RedisClient

_LAYOUT = f"local HEADER, VERSION, LENGTH, ACCOUNT = {HEADER}, {VERSION}, {LENGTH}, {ACCOUNT}\n"
"""The byte offsets of an entry, as globals of every script."""


def _read(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text("utf-8")


class Script:
    """A script, run by EVALSHA, and by EVAL on a server that does not have it yet.

    Not redis-py's `register_script`: after NOSCRIPT that sends SCRIPT LOAD, which a Cluster client sends to every
    primary, so that one unreachable primary would fail the writes of all others.

    Args:
        libraries: scripts whose functions it uses.
    """

    def __init__(self, name: str, *libraries: str) -> None:
        self._text = _LAYOUT + "".join(map(_read, (*libraries, name)))
        self._sha = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, redis: RedisClient, keys: list[str], *arguments: str | bytes | int) -> Any:
        """Run the script; its keys share one slot.

        Raises:
            redis.RedisError: Redis can't be reached, or refuses to write.
        """
        try:
            return self._run(redis, keys, *arguments)
        except ResponseError as problem:
            # redis-py raises no ReadOnlyError for a script: only the message shows it.
            if "READONLY" in str(problem):
                drop_connections(redis)
            raise

    def _run(self, redis: RedisClient, keys: list[str], *arguments: str | bytes | int) -> Any:
        try:
            return redis.evalsha(self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return redis.eval(self._text, len(keys), *keys, *arguments)


_ENTRIES = ("version", "entry")

apply = Script("apply", *_ENTRIES)
fill = Script("fill", *_ENTRIES)
replace = Script("replace", *_ENTRIES)
documents = Script("documents", "version")
repair_document = Script("repair_document")
begin_epoch = Script("begin_epoch")
lease = Script("lease")
release_lease = Script("release_lease")
remove_if_token = Script("remove_if_token")
publish_status = Script("publish_status")
read_status = Script("read_status")
