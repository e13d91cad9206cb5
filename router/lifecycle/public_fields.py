"""The public fields of an ask: what may be given, and how they meet those that stand."""

from collections.abc import Mapping
from typing import Any

from router.lifecycle.document_writer import DERIVED_FIELDS, public_fields, with_public
from router.lifecycle.errors import invalid
from router.numbers.documents import NumberDocument

_READ_ONLY = DERIVED_FIELDS | {"_read_only"}


def with_requested_fields(document: NumberDocument, given: Mapping[str, Any] | None, *, merge: bool) -> NumberDocument:
    """The document with the public fields that an ask brings.

    Args:
        given: None for none. What KAZOO's API only tells (`state`, `features`, `_read_only` ...) is
            passed over, so that a program may send back what it got.
        merge: over those that stand, object by object (RFC 7396: null removes); else in their place.

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
    """A patch over an object; null removes, objects meet field by field, all else takes the place of what stands."""
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
