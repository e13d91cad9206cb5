"""The Lua scripts that change the cache: each one is a transaction within one database's slot."""

from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from router.entries.codec import ACCOUNT, HEADER, LENGTH, VERSION
from router.redis_store.client import drop_connections

_LAYOUT = f"local HEADER, VERSION, LENGTH, ACCOUNT = {HEADER}, {VERSION}, {LENGTH}, {ACCOUNT}\n"
"""Where things stand in an entry, for every script."""


def _read(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text("utf-8")


class Script:
    """One script, sent by its hash, and whole to a server that does not know it yet.

    Args:
        libraries: scripts whose functions it uses.
    """

    def __init__(self, name: str, *libraries: str) -> None:
        self._text = _LAYOUT + "".join(map(_read, (*libraries, name)))
        self._sha = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, redis: Any, keys: list[str], *arguments: str | bytes | int) -> Any:
        """Run it; the keys share one slot.

        Raises:
            redis.RedisError: Redis can't be asked, or refuses to write.
        """
        try:
            return self._run(redis, keys, *arguments)
        except ResponseError as problem:
            # Only from within a script's own message can it be seen.
            if "READONLY" in str(problem):
                drop_connections(redis)
            raise

    def _run(self, redis: Any, keys: list[str], *arguments: str | bytes | int) -> Any:
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
