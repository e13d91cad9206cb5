"""Update sequences of a cluster: each range's counter with the node whose copy it was read from.

The shape is that of `router.embedded.couchdb.sequences`, with the names of nodes. A database whose shards were split
has four ranges, whose identities are new.
"""

import base64
import hashlib
import re
import zlib
from typing import NamedTuple

from router.embedded.couchdb.sequences import Uuids, term_of

RANGES = 2
"""Shards of a new database, q."""

_UUID_DIGITS = 7
_BYTE_MAX = 255
_BOUNDS = (
    ((0x00000000, 0x7FFFFFFF), (0x80000000, 0xFFFFFFFF)),
    ((0x00000000, 0x3FFFFFFF), (0x40000000, 0x7FFFFFFF), (0x80000000, 0xBFFFFFFF), (0xC0000000, 0xFFFFFFFF)),
)
_INT = rb"(?:a.|b....|n\x04.....)"
_SHARD = re.compile(
    rb"h\x03d\x00.node(\d+)@127\.0\.0\.1l\x00\x00\x00\x02(" + _INT + rb")(" + _INT + rb")j"
    rb"(?:(" + _INT + rb")|h\x03(" + _INT + rb")m\x00\x00\x00\x07(.{7})d\x00.node\d+@127\.0\.0\.1)",
    re.DOTALL,
)


class Mark(NamedTuple):
    """Position of a reader in one node's copy of a range, in writes. `uuid` is empty where nothing was read."""

    node: int
    writes: int
    uuid: str = ""


def node_name(node: int) -> str:
    """Return a node's name, `node1@127.0.0.1` for node 0."""
    return f"node{node + 1}@127.0.0.1"


def pack(marks: list[tuple[int, Mark]], *, split: bool) -> str:
    """Return a sequence of (range, mark) in the order given, with identities where marks have them."""
    terms: list[bytes] = []
    for shard, mark in marks:
        for part in (2 * shard, 2 * shard + 1) if split else (shard,):
            uuid = part_uuid(mark.uuid, part) if split and mark.uuid else mark.uuid
            terms.append(_shard(mark, _BOUNDS[split][part], uuid))
    payload = b"l" + len(terms).to_bytes(4, "big") + b"".join(terms) + b"j"
    raw = b"\x83P" + len(payload).to_bytes(4, "big") + zlib.compress(payload)
    total = sum(mark.writes for _, mark in marks) * (2 if split else 1)
    return f"{total}-{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def unpack(text: str, copies: dict[int, Uuids]) -> list[Mark | None]:
    """Return each range's mark, None where it was never read.

    A range of another database, or of a copy that isn't among `copies`, counts as read to 0 at that node.

    Raises:
        ApiError: 400, `text` is no sequence.
    """
    marks: list[Mark | None] = [None] * RANGES
    if text == "0":
        return marks
    for match in _SHARD.finditer(term_of(text)):
        begin = _int_of(match[2])
        shard = begin >> 31
        node = int(match[1]) - 1
        count = _int_of(match[4] or match[5])
        uuids = copies.get(node)
        if match[6] is not None and (uuids is None or match[6].decode("latin-1") not in _known(uuids[shard])):
            count = 0
        if marks[shard] is None:
            marks[shard] = Mark(node, count, uuids[shard] if uuids and count else "")
    return marks


def named_nodes(text: str) -> set[int]:
    """Return the nodes whose copies a sequence names; raises a 400 `ApiError` for anything else."""
    return {int(match[1]) - 1 for match in _SHARD.finditer(term_of(text))}


def part_uuid(uuid: str, part: int) -> str:
    """Return the identity of one of the parts that a shard was split into."""
    return hashlib.md5(f"{uuid}/{part % 2}".encode(), usedforsecurity=False).hexdigest()


def _known(uuid: str) -> set[str]:
    return {text[:_UUID_DIGITS] for text in (uuid, part_uuid(uuid, 0), part_uuid(uuid, 1))}


def _shard(mark: Mark, bounds: tuple[int, int], uuid: str) -> bytes:
    name = _atom(node_name(mark.node))
    span = b"l\x00\x00\x00\x02" + _int(bounds[0]) + _int(bounds[1]) + b"j"
    if not uuid:
        return b"h\x03" + name + span + _int(mark.writes)
    stamp = b"m\x00\x00\x00\x07" + uuid[:_UUID_DIGITS].encode() + name
    return b"h\x03" + name + span + b"h\x03" + _int(mark.writes) + stamp


def _atom(text: str) -> bytes:
    return b"d" + len(text).to_bytes(2, "big") + text.encode()


def _int(value: int) -> bytes:
    if value <= _BYTE_MAX:
        return b"a" + bytes((value,))
    if value < 1 << 31:
        return b"b" + value.to_bytes(4, "big")
    return b"n\x04\x00" + value.to_bytes(4, "little")


def _int_of(term: bytes) -> int:
    return int.from_bytes(term[3:], "little") if term[:1] == b"n" else int.from_bytes(term[1:], "big")
