"""Revision identifiers: computes, parses and orders them.

CouchDB hashes the Erlang external term of `[Deleted, ParentGeneration, ParentHash, Body, Attachments]`
(`couch_db:new_revid/1`). The same term is built here, so the same edit gets the same revision on either
server: what a test learns about revisions from one holds on the other.
"""

import hashlib
import re
import struct
from typing import Any, NamedTuple

from router.embedded.couchdb.errors import bad_request

_FORMAT = re.compile(r"([0-9]+)-(.*)", re.DOTALL)
_HASH_HEX_DIGITS = 32
_BYTE_MAX = 255
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_STRING_LIST_MAX = 65535
_ATOMS = {True: b"d\x00\x04true", False: b"d\x00\x05false", None: b"d\x00\x04null"}


class Revision(NamedTuple):
    """A revision: `generation` counts edits from 1; `digest` is 32 hex digits unless a client chose it."""

    generation: int
    digest: str

    def __str__(self) -> str:
        return f"{self.generation}-{self.digest}"


def parse_revision(text: object) -> Revision:
    """Parse `N-hash`; raises a 400 `ApiError` for anything else."""
    match = _FORMAT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise bad_request("Invalid rev format")
    return Revision(int(match[1]), match[2])


def next_revision(parent: Revision | None, *, deleted: bool, body: dict[str, Any]) -> Revision:
    """Return the revision of an edit of `parent` (None: a new document) to `body`."""
    generation = parent.generation if parent else 0
    term = (
        b"\x83l\x00\x00\x00\x05"
        + _encode(deleted)
        + _encode_int(generation)
        + (_encode_binary(digest_bytes(parent.digest)) if parent else _encode_int(0))
        + _encode(body)
        + b"jj"  # no attachments, end of list
    )
    return Revision(generation + 1, hashlib.md5(term, usedforsecurity=False).hexdigest())


def digest_bytes(digest: str) -> bytes:
    """Return the form that CouchDB stores, hashes and compares: 16 bytes for 32 hex digits, else the text."""
    if len(digest) != _HASH_HEX_DIGITS:
        return digest.encode()
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return digest.encode()


def _encode(value: Any) -> bytes:
    if isinstance(value, str):
        return _encode_binary(value.encode())
    if value is None or isinstance(value, bool):
        return _ATOMS[value]
    if isinstance(value, int):
        return _encode_int(value)
    if isinstance(value, float):
        return b"F" + struct.pack(">d", value)
    return _encode_object(value) if isinstance(value, dict) else _encode_array(value)


def _encode_object(value: dict[str, Any]) -> bytes:
    members = [b"h\x02" + _encode_binary(name.encode()) + _encode(member) for name, member in value.items()]
    return b"h\x01" + _encode_list(members)


def _encode_array(values: list[Any]) -> bytes:
    # Erlang writes a list of small integers as a string
    if values and len(values) <= _STRING_LIST_MAX and all(_is_byte(v) for v in values):
        return b"k" + len(values).to_bytes(2, "big") + bytes(values)
    return _encode_list([_encode(v) for v in values])


def _is_byte(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _BYTE_MAX


def _encode_list(terms: list[bytes]) -> bytes:
    if not terms:
        return b"j"
    return b"l" + len(terms).to_bytes(4, "big") + b"".join(terms) + b"j"


def _encode_binary(data: bytes) -> bytes:
    return b"m" + len(data).to_bytes(4, "big") + data


def _encode_int(value: int) -> bytes:
    if 0 <= value <= _BYTE_MAX:
        return b"a" + bytes((value,))
    if _INT_MIN <= value <= _INT_MAX:
        return b"b" + value.to_bytes(4, "big", signed=True)
    magnitude = abs(value)
    digits = magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "little")
    return b"n" + bytes((len(digits), value < 0)) + digits
