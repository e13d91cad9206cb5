"""SIP responses of a stateless user agent server (RFC 3261 8.2.6 and 8.2.7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from router.server.api.sip_status import SipStatus
from router.server.calls.sip.message import SipRequest
from router.server.calls.sip.via import Via

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class SipResponse:
    """A response before it is written: its status, and the header fields beyond those that are copied."""

    code: int
    reason: str
    headers: Sequence[Header] = ()


def reason_header(status: SipStatus, text: str) -> list[Header]:
    """Return a Reason header field (RFC 3326) with Q.850's cause (RFC 6432 allows it in responses)."""
    return [] if status.cause is None else [("Reason", f'Q.850;cause={status.cause};text="{text}"')]


def write(response: SipResponse, request: SipRequest, via: Via, source: tuple[str, int], key: bytes) -> bytes:
    """Write a response.

    Args:
        source: where the request came from.
        key: keeps the To tag from being guessed; the same request always gets the same tag (8.2.7).
    """
    headers = request.headers
    to = headers.get(b"to", b"")
    if not request.has_to_tag:
        to += b";tag=" + tag_of(request, via, key)
    lines = [
        f"SIP/2.0 {response.code} {response.reason}".encode(),
        b"Via: " + via.received(source),
        *(b"Via: " + other for other in request.vias[1:]),
        b"From: " + headers.get(b"from", b""),
        b"To: " + to,
        b"Call-ID: " + headers.get(b"call-id", b""),
        b"CSeq: " + headers.get(b"cseq", b""),
        *(f"{name}: {value}".encode() for name, value in response.headers),
        b"Content-Length: 0",
        b"",
        b"",
    ]
    return b"\r\n".join(lines)


def tag_of(request: SipRequest, via: Via, key: bytes) -> bytes:
    """Return the To tag: a keyed hash of what identifies the request, so that no state is needed for it."""
    headers = request.headers
    identity = b"\0".join((via.value, headers.get(b"call-id", b""), headers.get(b"cseq", b"")))
    return blake2b(identity, digest_size=8, key=key).hexdigest().encode()
