"""Shards: the number databases, named `numbers/` and the first five bytes of their numbers.

`+14158867900` belongs to `numbers/+1415`, encoded as `numbers%2F%2B1415` in an HTTP path and in `pvt_db_name` (KAZOO's
Number Document page).
"""

import re
from functools import lru_cache
from urllib.parse import quote, unquote

SHARD_PREFIX = "numbers/"
SHARD_WIDTH = 5

_LEGAL = re.compile(r"[a-z][a-z0-9_$()+/-]*")
_UNRESERVED = "-_.!~*()$"


def shard_for(number: str) -> str | None:
    """Return the decoded name of a number's shard.

    Args:
        number: E.164, normalised; its first bytes are taken without any check.

    Returns:
        A name such as `numbers/+1415`, which CouchDB may refuse (see `is_legal`); None for a number of less than five
        bytes.
    """
    head = number[:SHARD_WIDTH].encode("utf-8", "replace")[:SHARD_WIDTH]
    if len(head) < SHARD_WIDTH:
        return None
    return SHARD_PREFIX + head.decode("utf-8", "replace")


def is_legal(name: str) -> bool:
    """Return whether CouchDB accepts a decoded name for a database."""
    return _LEGAL.fullmatch(name) is not None


def is_shard(name: str) -> bool:
    """Return whether a decoded name is that of a shard.

    `numbers/managed` and `numbers/inum` hold a carrier's stock, in documents that look like numbers. The length of
    their names excludes them.
    """
    return name.startswith(SHARD_PREFIX) and len(name.encode("utf-8", "replace")) == len(SHARD_PREFIX) + SHARD_WIDTH


@lru_cache(4096)
def encoded(name: str) -> str:
    """Return a name encoded for `pvt_db_name` and HTTP paths. Encode only once: `%` is encoded, too."""
    return quote(name, safe=_UNRESERVED, errors="replace")


def decoded(name: str) -> str:
    """Return a name in the form that CouchDB lists. A decoded name stays unchanged."""
    return unquote(name)
