"""The SIP response that a switch gives for a lookup's result: HTTP's hint, SIP redirect and ENUM share it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SipStatus:
    """A final response, and the cause that says the same in ISDN's terms.

    Attributes:
        code, reason: status code and reason phrase (RFC 3261 21).
        cause: Q.850 cause value, for a `Reason` header (RFC 3326); None for a success.
    """

    code: int
    reason: str
    cause: int | None = None


OK: Final = SipStatus(200, "OK")
_NOT_FOUND = SipStatus(404, "Not Found", 1)  # unallocated number
_UNAVAILABLE = SipStatus(480, "Temporarily Unavailable", 20)  # subscriber absent
TRY_ELSEWHERE: Final = SipStatus(503, "Service Unavailable", 42)  # switching equipment congestion
"""The number's owner is not known now. The carrier may try another proxy (RFC 3261 21.5.4)."""

_BY_REASON: Mapping[str, SipStatus] = {
    "NOT_RECONCILABLE": _NOT_FOUND,
    "NUMBER_NOT_FOUND": _NOT_FOUND,
    "UNASSIGNED": _NOT_FOUND,
    "NOT_IN_SERVICE": _UNAVAILABLE,
    "ACCOUNT_DISABLED": _UNAVAILABLE,
}


def sip_status(reason: str) -> SipStatus:
    """Return the response for a refusal's reason (docs/switches.md); 503 where it is not about the number."""
    return _BY_REASON.get(reason, TRY_ELSEWHERE)
