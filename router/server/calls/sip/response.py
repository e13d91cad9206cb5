"""SIP responses of a stateless user agent server (RFC 3261 8.2.6 and 8.2.7)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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
    start_line: bytes = field(init=False)
    end: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Encode what does not depend on the request, once for a response that is kept."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        object.__setattr__(self, "start_line", f"SIP/2.0 {self.code} {self.reason}\r\nVia: ".encode())
        object.__setattr__(self, "end", f"{fields}Content-Length: 0\r\n\r\n".encode())


def reason_header(status: SipStatus, text: str) -> list[Header]:
    """Return a Reason header field (RFC 3326) with Q.850's cause (RFC 6432 allows it in responses)."""
    return [] if status.cause is None else [("Reason", f'Q.850;cause={status.cause};text="{text}"')]


def write(response: SipResponse, request: SipRequest, via: Via, source: tuple[str, int], key: bytes) -> bytes:
    """Write a response.

    Args:
        source: where the request came from.
        key: keeps the To tag from being guessed; the same request always gets the same tag (8.2.7).
    """
    to, call_id, sequence = request.to, request.call_id, request.sequence
    if not request.has_to_tag:
        to += b";tag=" + _tag(b"%b\0%b\0%b" % (via.value, call_id, sequence), key)
    vias = via.received(source)
    if len(request.vias) > 1:
        vias = b"\r\nVia: ".join((vias, *request.vias[1:]))
    return b"%b%b\r\nFrom: %b\r\nTo: %b\r\nCall-ID: %b\r\nCSeq: %b\r\n%b" % (
        response.start_line,
        vias,
        request.from_,
        to,
        call_id,
        sequence,
        response.end,
    )


def _tag(identity: bytes, key: bytes) -> bytes:
    """Return the To tag: a keyed hash of what identifies the request, so that no state is needed for it."""
    return blake2b(identity, digest_size=8, key=key).hexdigest().encode()
