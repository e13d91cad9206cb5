"""The response to an INVITE, made from a lookup's result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from router.server.api.sip_status import TRY_ELSEWHERE, sip_status
from router.server.calls.contact import ContactTemplate, UnsafeValueError
from router.server.calls.sip.response import Header, SipResponse, reason_header
from router.v1 import inbound_pb2 as pb

HEADERS = ("X-Account-ID", "X-DID-State", "X-Pending-Port", "X-DID-Stale")
_UNSAFE = '399 did-router "{}"'


_IN_CIRCLES: Final = SipResponse(404, "Not Found")


@dataclass(frozen=True, slots=True)
class Redirection:
    """A response to an INVITE, and the URI that its Contact names; empty for none."""

    uri: str
    response: SipResponse

    def unless_to(self, request_uri: str) -> SipResponse:
        """Return the response, or 404 where the Contact would be the Request-URI itself (8.3 forbids that)."""
        return _IN_CIRCLES if self.uri == request_uri else self.response


@dataclass(frozen=True, slots=True)
class Redirects:
    """Makes redirections.

    Attributes:
        contact: makes the Contact's URI.
        headers: which of `HEADERS` a redirection carries.
    """

    contact: ContactTemplate
    headers: Sequence[str] = HEADERS

    def redirection(self, answer: bytes) -> Redirection:
        """Return the response for a serialised LookupResponse."""
        route = pb.LookupResponse.FromString(answer)
        try:
            uri = self.contact.uri(route)
        except UnsafeValueError as problem:
            warning = [("Warning", _UNSAFE.format(problem))]
            return Redirection("", SipResponse(TRY_ELSEWHERE.code, TRY_ELSEWHERE.reason, warning))
        headers = [("Contact", f"<{uri}>"), *self._own_headers(route)]
        return Redirection(uri, SipResponse(302, "Moved Temporarily", headers))

    def _own_headers(self, route: pb.LookupResponse) -> list[Header]:
        values = {
            "X-Account-ID": route.account_id,
            "X-DID-State": route.state,
            "X-Pending-Port": "true" if route.pending_port else "false",
            "X-DID-Stale": "true" if route.stale else "",
        }
        return [(name, values[name]) for name in self.headers if values[name]]


def refused(reason: str, *, retry_after: int | None = None) -> SipResponse:
    """Return the response for a refusal.

    Args:
        reason: of google.rpc.ErrorInfo, or a gRPC status' name.
        retry_after: seconds; a carrier sends *nothing* for so long (21.5.4), so that it is for overload alone.
    """
    status = sip_status(reason)
    headers = reason_header(status, reason)
    if retry_after is not None:
        headers.append(("Retry-After", str(retry_after)))
    return SipResponse(status.code, status.reason, headers)
