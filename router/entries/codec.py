"""What Redis holds for a number: the answer's bytes behind a fixed-length header.

    bytes 0-19   version: the revision's generation (4, big-endian) and its hash (16)
    byte  20     kind: R route, X refusal of a document that exists, T tombstone, N no document
    bytes 21-24  when it was written (Unix seconds, big-endian)
    bytes 25-27  how many bytes follow the header (big-endian): what was cut short is no entry
    bytes 28-31  CRC-32 of version, kind and payload (big-endian): nor is what was spoilt
    bytes 32-    R: a LookupResponse, X: a Refusal, both without number, revision and source

A hit is never parsed: concatenated protobuf messages merge, so the fields that the reader knows anyway
(number, revision, source) are appended as bytes. account_id is field 1 of both messages, so it always stands
at the same place.
"""

from dataclasses import dataclass
from zlib import crc32

from google.protobuf.message import DecodeError

from router.numbers.revision import parse_revision
from router.numbers.routes import Reason, Refused, Route
from router.v1 import inbound_pb2 as pb

HEADER = 32
VERSION = 20
ROUTE, REFUSAL, TOMBSTONE, NEGATIVE = b"R", b"X", b"T", b"N"
NO_VERSION = bytes(VERSION)
"""Older than every revision: a negative never stands against a document."""

STALE = b"\x28\x01"
"""LookupResponse.stale, to be appended to a whole answer."""

_GENERATION = 4
_LAST_GENERATION = 256**_GENERATION - 1
_WRITTEN = VERSION + 1
LENGTH = _WRITTEN + 4
_SUM = LENGTH + 3
ACCOUNT = HEADER + 2
"""Where a route's account id begins, behind its tag and its length."""
_ACCOUNT_TAG = 0x0A
_KINDS = frozenset((ROUTE[0], REFUSAL[0], TOMBSTONE[0], NEGATIVE[0]))


def version_of(revision: str) -> bytes:
    """A document's `_rev` as 20 bytes that compare as revisions do.

    Raises:
        ValueError: it is no revision.
    """
    edits, digest = parse_revision(revision)
    # CouchDB's hashes are 16 bytes; documents replicated from elsewhere may bring other strings.
    raw = bytes.fromhex(digest) if len(digest) == 32 else digest.encode()[:16]  # noqa: PLR2004

    if not 0 < edits <= _LAST_GENERATION:
        raise ValueError(f"a revision has 1 to {_LAST_GENERATION} edits, not {edits}")
    return edits.to_bytes(_GENERATION, "big") + raw.ljust(16, b"\0")


def revision_of(version: bytes) -> str:
    """The `_rev` of a version."""
    if version == NO_VERSION:
        return ""
    return f"{int.from_bytes(version[:_GENERATION], 'big')}-{version[_GENERATION:VERSION].hex()}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A cache entry, taken apart; the way of a hit uses the bytes instead."""

    version: bytes
    kind: bytes
    written: int
    payload: bytes

    @property
    def revision(self) -> str:
        """The document's `_rev`; empty where there was no document."""
        return revision_of(self.version)

    @property
    def account_id(self) -> str:
        """The account it names; empty for none."""
        return account_of(self.pack())

    def pack(self) -> bytes:
        """The bytes that Redis holds."""
        says = self.version + self.kind
        length = len(self.payload).to_bytes(_SUM - LENGTH, "big")
        check = crc32(self.payload, crc32(says)).to_bytes(HEADER - _SUM, "big")
        return says + self.written.to_bytes(4, "big") + length + check + self.payload

    def same_answer(self, other: "Entry") -> bool:
        """Whether both say the same of the same revision, whenever they were written."""
        return (self.version, self.kind, self.payload) == (other.version, other.kind, other.payload)


def is_valid_entry(value: bytes) -> bool:
    """Whether the bytes are an entry as it was written: of a known kind, as long as they say, with its checksum."""
    size = len(value)
    # Asked for every hit: put together by hand, the length costs a third of what int.from_bytes takes.
    if size < HEADER or value[25] << 16 | value[26] << 8 | value[27] != size - HEADER or value[VERSION] not in _KINDS:
        return False
    if value[VERSION] == ROUTE[0] and (
        size <= ACCOUNT or value[HEADER] != _ACCOUNT_TAG or not 0 < value[HEADER + 1] <= size - ACCOUNT
    ):
        return False
    return crc32(value[HEADER:], crc32(value[:_WRITTEN])) == int.from_bytes(value[_SUM:HEADER], "big")


def unpack(value: bytes) -> Entry | None:
    """The entry in these bytes; None where they are none (truncated, or not ours)."""
    if not is_valid_entry(value):
        return None
    return Entry(
        value[:VERSION],
        value[VERSION:_WRITTEN],
        int.from_bytes(value[_WRITTEN:LENGTH], "big"),
        value[HEADER:],
    )


def account_of(value: bytes) -> str:
    """The account id in an entry's bytes, without parsing the answer."""
    if len(value) <= ACCOUNT or value[HEADER] != _ACCOUNT_TAG:
        return ""
    return value[ACCOUNT : ACCOUNT + value[HEADER + 1]].decode("ascii", "replace")


def decision_entry(decision: Route | Refused, revision: str, now: int) -> Entry:
    """The entry for what a number document says."""
    if isinstance(decision, Route):
        return Entry(version_of(revision), ROUTE, now, _route_bytes(decision))
    return Entry(version_of(revision), REFUSAL, now, _refusal_bytes(decision))


def tombstone_entry(revision: str, now: int) -> Entry:
    """The entry for a deleted document; it outlives slow writers of older revisions."""
    return Entry(version_of(revision), TOMBSTONE, now, b"")


def negative_entry(now: int) -> Entry:
    """The entry for a number that has no document."""
    return Entry(NO_VERSION, NEGATIVE, now, b"")


def route_suffix(number: str, version: bytes, source: int, *, stale: bool) -> bytes:
    """What is appended to a route's bytes to make the answer whole.

    Written by hand: it is made for every hit, and a message object costs several times as much.
    """
    digits, revision = number.encode(), revision_of(version).encode()
    fields = b"\x12%c%b\x1a%c%b\x20%c" % (len(digits), digits, len(revision), revision, source)
    return fields + STALE if stale else fields


def port_request_response(route: Route, *, stale: bool) -> bytes:
    """The answer that a port request gives, whole."""
    return _route_bytes(route) + route_suffix(route.number, NO_VERSION, pb.PORT_REQUEST, stale=stale)


def refusal_of(payload: bytes, number: str) -> Refused:
    """The refusal kept for a document that does not route.

    Raises:
        ValueError: the bytes are none.
    """
    try:
        message = pb.Refusal.FromString(payload)
    except DecodeError as problem:
        raise ValueError(str(problem)) from None
    reason = Reason(pb.Reason.Name(message.reason))
    return Refused(reason, number, message.account_id, message.state, message.message)


def _route_bytes(route: Route) -> bytes:
    message = pb.LookupResponse(
        account_id=route.account_id,
        state=route.state,
        carrier=route.carrier,
        pending_port=route.pending_port,
        local=route.local,
        force_outbound=route.force_outbound,
        inbound_cnam=route.inbound_cnam,
        prepend=route.prepend,
        ringback_media=route.ringback_media,
        transfer_media=route.transfer_media,
        features=route.features,
        ported_in=route.ported_in,
        used_by=route.used_by,
    )
    if route.failover is not None:
        way, target = route.failover
        setattr(message.failover, way, target)
    return message.SerializeToString()


def refusal_message(refused: Refused) -> pb.Refusal:
    """The refusal as callers of a batch or a stream get it."""
    return pb.Refusal(
        account_id=refused.account_id,
        number=refused.number,
        reason=pb.Reason.Value(refused.reason.value),
        state=refused.state,
        message=refused.message,
    )


def _refusal_bytes(refused: Refused) -> bytes:
    message = refusal_message(refused)
    message.ClearField("number")
    return message.SerializeToString()
