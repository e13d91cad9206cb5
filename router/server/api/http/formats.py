"""Bodies of a lookup's result: JSON, or a form for switches that split forms (`?alt=form`).

Bodies are ASCII: a switch need not know about UTF-8, so JSON escapes what is beyond it, and a form percent-encodes it.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from router.runtime.json_messages import json_of
from router.server.api import sip_status
from router.server.api.http.requests import invalid
from router.server.api.http.results import ErrorBody
from router.v1 import inbound_pb2 as pb

JSON, FORM = "json", "form"
CONTENT_TYPES = {JSON: b"application/json", FORM: b"application/x-www-form-urlencoded"}


def format_of(query: Mapping[str, str]) -> str:
    """Return the format that `alt` asks for.

    Raises:
        HttpError: it is none of ours.
    """
    wanted = query.get("alt", JSON)
    if wanted not in CONTENT_TYPES:
        raise invalid("alt is json or form")
    return wanted


def to_json(value: Any) -> bytes:
    """Encode as compact ASCII JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def route_body(answer: bytes, wanted: str) -> bytes:
    """Encode a serialised LookupResponse."""
    fields = json_of(pb.LookupResponse.FromString(answer))
    if wanted == JSON:
        return to_json(fields)
    return _form({"status": "OK", **fields}, sip_status.OK)


def error_bytes(error: ErrorBody, wanted: str) -> bytes:
    """Encode a failure."""
    if wanted == JSON:
        return to_json(error.as_json())
    fields = {"status": error.status, "reason": error.reason, **error.metadata, "message": error.message}
    return _form(fields, error.sip)


def _form(fields: Mapping[str, Any], sip: sip_status.SipStatus) -> bytes:
    pairs = [*_flat(fields), ("sip_code", str(sip.code)), ("sip_reason", sip.reason)]
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs).encode()


def _flat(fields: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Name and text of each field that is set; `failover.e164` becomes `failover_e164`, a list is joined by commas."""
    pairs: list[tuple[str, str]] = []
    for name, value in fields.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{name}_")
        elif isinstance(value, bool):
            pairs.append((prefix + name, "true" if value else "false"))
        elif isinstance(value, list):
            pairs.append((prefix + name, ",".join(map(str, value))))
        elif value is not None:
            pairs.append((prefix + name, str(value)))
    return pairs
