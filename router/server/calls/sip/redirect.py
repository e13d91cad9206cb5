"""The response to an INVITE, made from a lookup's result."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter

from router.server.api.sip_status import sip_status
from router.server.calls.sip.response import Header, SipResponse, reason_header
from router.v1 import inbound_pb2 as pb

PLACEHOLDERS = ("number", "account_id", "state", "domain")
HEADERS = ("X-Account-ID", "X-DID-State", "X-Pending-Port")
_NO_HOST = '399 did-router "the account id can\'t stand in a URI"'
_SAFE = re.compile(r"[A-Za-z0-9.\-_]*")
"""What a document's value may hold to stand in a host name or a header field; CouchDB's ids can hold anything."""


class ContactError(ValueError):
    """A template that makes no Contact."""


@dataclass(frozen=True, slots=True)
class Redirects:
    """Makes redirections.

    Attributes:
        contact: the template of the Contact's URI (`PLACEHOLDERS`).
        domain: stands for `{domain}`.
        headers: which of `HEADERS` a redirection carries.
    """

    contact: str
    domain: str
    headers: Sequence[str] = HEADERS

    def __post_init__(self) -> None:
        check_contact(self.contact)

    def moved(self, route: pb.LookupResponse, request_uri: str) -> SipResponse:
        """Return 302, or 404 where the Contact would be the Request-URI itself (8.3 forbids that)."""
        if not (_SAFE.fullmatch(route.account_id) and _SAFE.fullmatch(route.state)):
            return SipResponse(
                503, "Service Unavailable", [("Warning", '399 did-router "the account is no host name"')]
            )
        values = {"account_id": route.account_id, "state": route.state, "domain": self.domain}
        uri = self.contact.format(number=route.number, **values)
        if uri == request_uri:
            return SipResponse(404, "Not Found")
        return SipResponse(302, "Moved Temporarily", [("Contact", f"<{uri}>"), *self._own_headers(route)])

    def _own_headers(self, route: pb.LookupResponse) -> list[Header]:
        values = {
            "X-Account-ID": route.account_id,
            "X-DID-State": route.state,
            "X-Pending-Port": "true" if route.pending_port else "false",
        }
        return [(name, values[name]) for name in self.headers]


def check_contact(template: str) -> None:
    """Check a template.

    Raises:
        ContactError: it has another placeholder than those, or makes no SIP URI.
    """
    try:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as problem:
        raise ContactError(f"{problem}: write placeholders as {{number}}") from None
    if unknown := sorted(names - set(PLACEHOLDERS)):
        raise ContactError(f"there is no placeholder {{{unknown[0]}}}: one of {', '.join(PLACEHOLDERS)}")
    if not template.startswith(("sip:", "sips:", "tel:")) or re.search(r"[\s<>\"]", template):
        raise ContactError("write it as a SIP URI, such as sip:{number}@{account_id}.{domain};user=phone")


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
