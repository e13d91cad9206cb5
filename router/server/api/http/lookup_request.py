"""A lookup as a URL writes it: the number in the path or the query, dial plan and consistency in the query."""

from collections.abc import Mapping

from router.server.api.http.requests import invalid
from router.v1 import inbound_pb2 as pb


def lookup_request(number: str, query: Mapping[str, str]) -> pb.LookupRequest:
    """Return the request.

    Raises:
        HttpError: `consistency` names none.
    """
    request = pb.LookupRequest(number=_text(number), dial_plan=_text(query.get("dial_plan", "")))
    if consistency := query.get("consistency"):
        try:
            request.consistency = pb.Consistency.Value(consistency.upper())
        except ValueError:
            raise invalid(f"consistency is one of {', '.join(pb.Consistency.keys())}") from None
    return request


def _text(text: str) -> str:
    """Return the text as UTF-8 can carry it: a byte that was no UTF-8 stays visible as U+FFFD."""
    return text.encode("utf-8", "replace").decode("utf-8")
