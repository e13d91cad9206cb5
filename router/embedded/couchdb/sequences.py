"""Update sequences, opaque as CouchDB makes them.

A database has two shards, each with its own counter. A sequence packs both counters with the shards'
identities: an unused sum, a dash, and the base64 of a compressed Erlang term
(`fabric_view_changes:pack_seqs/1`). Byte for byte the same shape, so nothing that reads one by accident
(its length, its number, its order) gets away with it here.
"""

import base64
import binascii
import re
import zlib
from typing import NamedTuple

from router.embedded.couchdb.errors import malformed_sequence

Position = tuple[int, int]
"""The position of each shard (or of its reader), counted in writes."""

START: Position = (0, 0)

_NODE = b"d\x00\x11couchdb@127.0.0.1"
_RANGES = (
    b"l\x00\x00\x00\x02a\x00b\x7f\xff\xff\xffj",
    b"l\x00\x00\x00\x02n\x04\x00\x00\x00\x00\x80n\x04\x00\xff\xff\xff\xffj",
)
_UUID_PREFIX = 7
_COMPRESSED = b"\x83P"
_PACKED = re.compile(r'"?(?:[0-9]+-)?(.*?)"?')
_BASE64 = re.compile(r"[A-Za-z0-9_-]+")
_SHARD = re.compile(
    rb"h\x03d\x00\x11couchdb@127\.0\.0\.1(l\x00\x00\x00\x02(?:a.b....j|n\x04.....n\x04.....j))"
    rb"(?:(a.|b....)|h\x03(a.|b....)m\x00\x00\x00\x07(.{7})d\x00\x11couchdb@127\.0\.0\.1)",
    re.DOTALL,
)
_SMALL_INT_MAX = 255


class Uuids(NamedTuple):
    """The identities of a database's two shards, 32 hex digits each: new with every database made."""

    low: str
    high: str


def shard_of(document_id: str) -> int:
    """Return the shard of a document: the top bit of its CRC-32, as in `mem3_hash`."""
    return zlib.crc32(document_id.encode()) >> 31


def pack(position: Position, uuids: Uuids | None) -> str:
    """A sequence for the changes feed. Without `uuids`, as `purge_seq` has it: bare counters."""
    return _pack(position, (_shard_term(0, position, uuids), _shard_term(1, position, uuids)))


def pack_info(position: Position, uuids: Uuids | None) -> str:
    """Pack a position as the database information does; the text always differs from `pack`."""
    terms = [
        _shard(shard, _int(position[shard]) if uuids is None else _stamped(position[shard], uuids[shard]))
        for shard in (1, 0)
    ]
    return _pack(position, (terms[0], terms[1]))


def unpack(text: str, uuids: Uuids) -> Position:
    """Read a `since`: raises a 400 `ApiError` when it is no sequence.

    A shard of another database, or of an earlier one under this name, counts as never read.
    """
    if text == "0":
        return START
    position = [0, 0]
    for match in _SHARD.finditer(term_of(text)):
        shard = _RANGES.index(match[1]) if match[1] in _RANGES else None
        if shard is None:
            continue
        if match[2] is not None:
            position[shard] = _int_of(match[2])
        elif match[4].decode("latin-1") == uuids[shard][:_UUID_PREFIX]:
            position[shard] = _int_of(match[3])
    return position[0], position[1]


def term_of(text: str) -> bytes:
    """Return the Erlang term inside a sequence; raises a 400 `ApiError` where there is none."""
    packed = _PACKED.fullmatch(text)
    opaque = packed[1] if packed else ""
    if not _BASE64.fullmatch(opaque):
        raise malformed_sequence()
    try:
        raw = base64.urlsafe_b64decode(opaque + "=" * (-len(opaque) % 4))
        if raw[:2] != _COMPRESSED:
            raise malformed_sequence()
        return zlib.decompress(raw[6:])
    except (binascii.Error, zlib.error) as error:
        raise malformed_sequence() from error


def _pack(position: Position, terms: tuple[bytes, bytes]) -> str:
    payload = b"l\x00\x00\x00\x02" + terms[0] + terms[1] + b"j"
    raw = _COMPRESSED + len(payload).to_bytes(4, "big") + zlib.compress(payload)
    return f"{sum(position)}-{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def _shard_term(shard: int, position: Position, uuids: Uuids | None) -> bytes:
    count = position[shard]
    return _shard(shard, _stamped(count, uuids[shard]) if count and uuids else _int(count))


def _shard(shard: int, sequence: bytes) -> bytes:
    return b"h\x03" + _NODE + _RANGES[shard] + sequence


def _stamped(count: int, uuid: str) -> bytes:
    return b"h\x03" + _int(count) + b"m\x00\x00\x00\x07" + uuid[:_UUID_PREFIX].encode() + _NODE


def _int(value: int) -> bytes:
    if value <= _SMALL_INT_MAX:
        return b"a" + bytes((value,))
    return b"b" + value.to_bytes(4, "big", signed=True)


def _int_of(term: bytes) -> int:
    return int.from_bytes(term[1:], "big")
