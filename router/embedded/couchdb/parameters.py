"""Query parameters of `_all_docs`, `_all_dbs` and `_dbs_info`, parsed and refused as CouchDB does."""

from dataclasses import dataclass
from typing import Any

import orjson

from router.embedded.couchdb.errors import bad_request, query_parse_error
from router.embedded.couchdb.wire import Request, parse_json

_LAST = "\U0010ffff" * 2
"""Sorts after every key met in practice."""


@dataclass(frozen=True, slots=True)
class Range:
    """The keys to list, in byte order; `start` and `end` are in the direction of the listing."""

    start: str | None
    end: str | None
    limit: int | None
    skip: int
    descending: bool
    inclusive_end: bool
    include_docs: bool
    update_seq: bool
    keys: list[Any] | None

    def holds(self, key: str) -> bool:
        """Return whether a key lies between `start` and `end`."""
        low, high = (self.end, self.start) if self.descending else (self.start, self.end)
        if low is not None and key < low:
            return False
        if high is not None and key > high:
            return False
        return self.inclusive_end or key != self.end


def read_range(request: Request) -> Range:
    """Parse the parameters of a listing from the query and, for a POST, the body. Raises a 400 `ApiError`."""
    fields: dict[str, Any] = dict(request.query)
    for name in ("key", "start_key", "startkey", "end_key", "endkey", "keys"):
        if name in fields:
            fields[name] = parse_json(fields[name])
    if request.verb == "POST":
        fields |= request.json_object()
    keys = fields.get("keys")
    if keys is not None and not isinstance(keys, list):
        kind = "body member" if request.verb == "POST" else "parameter"
        raise bad_request(f"`keys` {kind} must be an array.")
    start, end = _bounds(fields)
    return Range(
        start=start,
        end=end,
        limit=_integer(fields, "limit"),
        skip=_integer(fields, "skip") or 0,
        descending=_boolean(fields, "descending", default=False),
        inclusive_end=_boolean(fields, "inclusive_end", default=True),
        include_docs=_boolean(fields, "include_docs", default=False),
        update_seq=_boolean(fields, "update_seq", default=False),
        keys=keys,
    )


def _bounds(fields: dict[str, Any]) -> tuple[str | None, str | None]:
    if "key" in fields:
        key = _string_key(fields["key"])
        return key, key
    start = next((_string_key(fields[name]) for name in ("start_key", "startkey") if name in fields), None)
    end = next((_string_key(fields[name]) for name in ("end_key", "endkey") if name in fields), None)
    return start, end


def _string_key(key: Any) -> str:
    """Return a string that sorts as a JSON value does: scalars before all strings, lists and objects after."""
    if isinstance(key, str):
        return key
    return _LAST if isinstance(key, (list, dict)) else ""


def _integer(fields: dict[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    text = str(value)
    if not text.lstrip("-").isdecimal():
        raise query_parse_error(f"Invalid value for integer: {orjson.dumps(text).decode()}")
    if text.startswith("-"):
        raise query_parse_error(f"Invalid value for positive integer: {orjson.dumps(text).decode()}")
    return int(text)


def _boolean(fields: dict[str, Any], name: str, *, default: bool) -> bool:
    value = fields.get(name, default)
    if isinstance(value, bool):
        return value
    if str(value).lower() not in {"true", "false"}:
        raise query_parse_error(f"Invalid boolean parameter: {orjson.dumps(str(value)).decode()}")
    return str(value).lower() == "true"
