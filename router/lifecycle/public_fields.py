"""Public fields of a request: their checks, and their merge into a document's."""

from collections.abc import Mapping
from typing import Any

from router.lifecycle.document_writer import DERIVED_FIELDS, public_fields, with_public
from router.lifecycle.errors import invalid
from router.numbers.documents import NumberDocument

_READ_ONLY = DERIVED_FIELDS | {"_read_only"}


def with_requested_fields(document: NumberDocument, given: Mapping[str, Any] | None, *, merge: bool) -> NumberDocument:
    """Return the document with the public fields of a request.

    Args:
        given: None for none. Fields that KAZOO's API derives (`state`, `features`, `_read_only` ...) are ignored, so
            that a program may send back a response.
        merge: merge them into the existing ones, object by object (RFC 7396: null removes); else replace those.

    Raises:
        NumberError: a name that isn't public.
    """
    if given is None:
        return document
    fields = {name: value for name, value in given.items() if name not in _READ_ONLY}
    private = next((name for name in fields if name.startswith(("pvt_", "_"))), None)
    if private is not None:
        raise invalid(f"{private} is no public field: leave it out, the number manager writes it")
    return with_public(document, merged(public_fields(document), fields) if merge else fields)


def merged(existing: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with a patch applied (RFC 7396): null removes, objects merge by field, other values replace."""
    result = dict(existing)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif type(value) is dict or isinstance(value, Mapping):
            inner = result.get(name)
            result[name] = merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            result[name] = value
    return result
