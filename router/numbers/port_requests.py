"""Port requests: the accounts that numbers without a document are being ported to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from router.numbers.fields import MAX_TEXT_LENGTH, Fields, Skipped, is_visible, shown

__all__ = ["PortRequest", "Skipped", "account_of", "read"]

ACTIVE_STATES = ("submitted", "pending", "scheduled")


@dataclass(frozen=True, slots=True)
class PortRequest:
    """A document of the `port_requests` database.

    Attributes:
        id: `_id`.
        revision: `_rev`; empty for none.
        account_id: the account that receives the numbers; None where it can't be read.
        numbers: the document's numbers, unchanged.
        active: whether it is in progress, and so may route.
    """

    id: str
    revision: str
    account_id: str | None
    numbers: frozenset[str]
    active: bool


def read(doc: object) -> PortRequest | Skipped:
    """Read a document of the `port_requests` database; never raises."""
    if not isinstance(doc, Mapping):
        return Skipped("not an object")
    if doc.get("_deleted") is True:
        return Skipped("deleted")
    request = doc.get("_id")
    if not isinstance(request, str) or not 0 < len(request) <= MAX_TEXT_LENGTH or not request.isprintable():
        return Skipped(f"its id is {shown(request)}")
    if request.startswith("_design/"):
        return Skipped("a design document")
    if doc.get("pvt_type") != "port_request":
        return Skipped(f"its pvt_type is {shown(doc.get('pvt_type'))}, not 'port_request'")
    fields = Fields(doc)
    return PortRequest(
        id=request,
        revision=fields.word("_rev") or "",
        account_id=fields.account("pvt_account_id"),
        numbers=frozenset(filter(_is_number, fields.nested("numbers").values)),
        active=doc.get("pvt_port_state") in ACTIVE_STATES and fields.flag("pvt_deleted") is not True,
    )


def account_of(number: str, requests: Iterable[PortRequest]) -> str | None:
    """Return the account that a number without a document routes to.

    Args:
        number: E.164.
        requests: port requests that may name it.

    Returns:
        The account of the only active request that names it; None where none or several do.
    """
    naming = [request for request in requests if request.active and number in request.numbers]
    return naming[0].account_id if len(naming) == 1 else None


def _is_number(key: object) -> bool:
    return isinstance(key, str) and key.startswith("+") and len(key) <= MAX_TEXT_LENGTH and is_visible(key)
