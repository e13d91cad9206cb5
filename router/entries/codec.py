"""Encoding of a cache entry: a header of fixed length, then the response's bytes.

    bytes 0-19   version: the revision's generation (4, big-endian) and its hash (16)
    byte  20     kind: R route, X refusal of an existing document, T tombstone, N negative (no document)
    bytes 21-24  time of writing (Unix seconds, big-endian)
    bytes 25-27  length of the payload (big-endian), to detect truncation
    bytes 28-31  CRC-32 of version, kind and payload (big-endian), to detect corruption
    bytes 32-    R: a LookupResponse, X: a Refusal, both without number, revision and source

A hit is never parsed: concatenated protobuf messages merge, so the fields that the reader knows anyway
(number, revision, source) are appended as bytes. account_id is field 1 of both messages, so it has a fixed place.
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
"""Older than every revision: a negative entry never overrides a document."""

STALE_FIELD = b"\x28\x01"
"""LookupResponse.stale, appended to a complete response."""

_GENERATION = 4
_LAST_GENERATION = 256**_GENERATION - 1
_WRITTEN = VERSION + 1
LENGTH = _WRITTEN + 4
_SUM = LENGTH + 3
ACCOUNT = HEADER + 2
"""Offset of a route's account id, after its tag and its length."""
_ACCOUNT_TAG = 0x0A
_KINDS = frozenset((ROUTE[0], REFUSAL[0], TOMBSTONE[0], NEGATIVE[0]))


def version_of(revision: str) -> bytes:
    """Return a document's `_rev` as 20 bytes that compare as revisions do.

    Raises:
        ValueError: the text is no revision.
    """
    edits, digest = parse_revision(revision)
    # CouchDB's hashes are 16 bytes; replication from other databases may bring other strings.
    raw = bytes.fromhex(digest) if len(digest) == 32 else digest.encode()[:16]  # noqa: PLR2004

    if not 0 < edits <= _LAST_GENERATION:
        raise ValueError(f"a revision has 1 to {_LAST_GENERATION} edits, not {edits}")
    return edits.to_bytes(_GENERATION, "big") + raw.ljust(16, b"\0")


def revision_of(version: bytes) -> str:
    """Return the `_rev` of a version; empty for NO_VERSION."""
    if version == NO_VERSION:
        return ""
    return f"{int.from_bytes(version[:_GENERATION], 'big')}-{version[_GENERATION:VERSION].hex()}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A decoded cache entry. The hit path uses the bytes instead."""

    version: bytes
    kind: bytes
    written: int
    payload: bytes

    @property
    def revision(self) -> str:
        """The document's `_rev`; empty without a document."""
        return revision_of(self.version)

    @property
    def account_id(self) -> str:
        """The account id of its payload; empty for none."""
        return account_of(self.pack())

    def pack(self) -> bytes:
        """Return the bytes that Redis holds."""
        prefix = self.version + self.kind
        length = len(self.payload).to_bytes(_SUM - LENGTH, "big")
        check = crc32(self.payload, crc32(prefix)).to_bytes(HEADER - _SUM, "big")
        return prefix + self.written.to_bytes(4, "big") + length + check + self.payload

    def same_answer(self, other: "Entry") -> bool:
        """Return whether both hold the same response for the same revision; the time of writing may differ."""
        return (self.version, self.kind, self.payload) == (other.version, other.kind, other.payload)


def is_valid_entry(value: bytes) -> bool:
    """Return whether bytes are a complete entry: of a known kind, with the right length and checksum."""
    size = len(value)
    # On the hit path: shifting the length's bytes costs a third of int.from_bytes.
    if size < HEADER or value[25] << 16 | value[26] << 8 | value[27] != size - HEADER or value[VERSION] not in _KINDS:
        return False
    if value[VERSION] == ROUTE[0] and (
        size <= ACCOUNT or value[HEADER] != _ACCOUNT_TAG or not 0 < value[HEADER + 1] <= size - ACCOUNT
    ):
        return False
    return crc32(value[HEADER:], crc32(value[:_WRITTEN])) == int.from_bytes(value[_SUM:HEADER], "big")


def unpack(value: bytes) -> Entry | None:
    """Decode an entry; None for bytes that are none (truncated, corrupt, or from another writer)."""
    if not is_valid_entry(value):
        return None
    return Entry(
        value[:VERSION],
        value[VERSION:_WRITTEN],
        int.from_bytes(value[_WRITTEN:LENGTH], "big"),
        value[HEADER:],
    )


def account_of(value: bytes) -> str:
    """Return the account id in an entry's bytes without parsing the response; empty for none."""
    if len(value) <= ACCOUNT or value[HEADER] != _ACCOUNT_TAG:
        return ""
    return value[ACCOUNT : ACCOUNT + value[HEADER + 1]].decode("ascii", "replace")


def decision_entry(decision: Route | Refused, revision: str, now: int) -> Entry:
    """Return the entry of a routing decision: a route or a refusal."""
    if isinstance(decision, Route):
        return Entry(version_of(revision), ROUTE, now, _route_bytes(decision))
    return Entry(version_of(revision), REFUSAL, now, _refusal_bytes(decision))


def tombstone_entry(revision: str, now: int) -> Entry:
    """Return the entry of a deleted document. It overrides late writers of older revisions."""
    return Entry(version_of(revision), TOMBSTONE, now, b"")


def negative_entry(now: int) -> Entry:
    """Return the entry of a number without a document."""
    return Entry(NO_VERSION, NEGATIVE, now, b"")


def route_suffix(number: str, version: bytes, source: int, *, stale: bool) -> bytes:
    """Return the bytes that complete a route's payload: number, revision, source and `stale`.

    Encoded by hand on the hit path: a message object costs several times as much.
    """
    digits, revision = number.encode(), revision_of(version).encode()
    fields = b"\x12%c%b\x1a%c%b\x20%c" % (len(digits), digits, len(revision), revision, source)
    return fields + STALE_FIELD if stale else fields


def source_of(response: bytes) -> int:
    """Return the source in a complete response, which ends with it and `stale`, without parsing the response."""
    return response[-3] if response.endswith(STALE_FIELD) else response[-1]


def port_request_response(route: Route, *, stale: bool) -> bytes:
    """Return the complete response for a number that routes by its port request."""
    return _route_bytes(route) + route_suffix(route.number, NO_VERSION, pb.PORT_REQUEST, stale=stale)


def refusal_of(payload: bytes, number: str) -> Refused:
    """Decode the payload of a refusal.

    Raises:
        ValueError: the bytes are no refusal.
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
        kind, target = route.failover
        setattr(message.failover, kind, target)
    return message.SerializeToString()


def refusal_message(refused: Refused) -> pb.Refusal:
    """Return a refusal as a protobuf message, for batches and streams."""
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
