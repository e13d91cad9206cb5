"""ETags that aren't revisions, in CouchDB's form: an MD5 in base 36."""

import hashlib
from typing import Any

import orjson

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def etag(data: bytes) -> str:
    """Return a quoted ETag of some bytes."""
    number = int.from_bytes(hashlib.md5(data, usedforsecurity=False).digest(), "big")
    digits = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return f'"{digits}"'


def info_etag(info: dict[str, Any]) -> str:
    """Return the ETag of a changes feed: it changes with the database's information."""
    return etag(orjson.dumps(info))
