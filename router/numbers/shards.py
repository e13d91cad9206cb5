"""Which database holds a number: `numbers/` and the number's first five bytes.

`+14158867900` lives in `numbers/+1415`, which an HTTP path and `pvt_db_name` spell
`numbers%2F%2B1415` (KAZOO's Number Document page).
"""

import re
from functools import lru_cache
from urllib.parse import quote, unquote

SHARD_PREFIX = "numbers/"
SHARD_WIDTH = 5

_LEGAL = re.compile(r"[a-z][a-z0-9_$()+/-]*")
_UNRESERVED = "-_.!~*()$"


def shard_for(number: str) -> str | None:
    """The database of a normalised number, by its decoded name.

    Args:
        number: E.164, as normalised; it is cut as it is.

    Returns:
        A name such as `numbers/+1415`, which may be one that CouchDB refuses (see `is_legal`),
        or None when the number is shorter than five bytes.
    """
    head = number[:SHARD_WIDTH].encode("utf-8", "replace")[:SHARD_WIDTH]
    if len(head) < SHARD_WIDTH:
        return None
    return SHARD_PREFIX + head.decode("utf-8", "replace")


def is_legal(name: str) -> bool:
    """Whether CouchDB takes this decoded name for a database."""
    return _LEGAL.fullmatch(name) is not None


def is_shard(name: str) -> bool:
    """Whether this decoded name is that of a routing shard.

    `numbers/managed` and `numbers/inum` hold a carrier's stock, in documents that look like
    numbers: having other than five bytes is what keeps them out.
    """
    return name.startswith(SHARD_PREFIX) and len(name.encode("utf-8", "replace")) == len(SHARD_PREFIX) + SHARD_WIDTH


@lru_cache(4096)
def encoded(name: str) -> str:
    """The name as `pvt_db_name` and an HTTP path spell it. Encode once: `%` is encoded too."""
    return quote(name, safe=_UNRESERVED, errors="replace")


def decoded(name: str) -> str:
    """The name as CouchDB lists it. A name that is already decoded stays as it is."""
    return unquote(name)
