"""What `--json` prints: every key is always there, what is absent is null, and one thing has one shape everywhere.

The schemas are in docs/schemas; tests hold every command to them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.message import Message

_UNSPECIFIED = "_UNSPECIFIED"
_UNSET_WHEN_ZERO = frozenset(("age_seconds",))
"""Numbers of which 0 says that nothing is known."""


def text_or_null(text: str | None) -> str | None:
    """Return a text; None where it is empty."""
    return text or None


def failed_databases(found: Mapping[str, str]) -> list[dict[str, str]]:
    """CouchServer that could not be done, in the order of their names, and why."""
    return [{"database": name, "message": why} for name, why in sorted(found.items())]


def skipped(found: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Documents that were passed over (database, id, why)."""
    return [{"database": database, "id": identifier, "message": why} for database, identifier, why in found]


def of_message(message: Message) -> dict[str, Any]:
    """Return all fields of a message under their proto names; what it does not say is None.

    A message within it is an object where it is set, or None; enumerations are their names.
    """
    return {each.name: _value(message, each) for each in message.DESCRIPTOR.fields}


def nulls_of(kind: type[Message]) -> dict[str, None]:
    """Return the keys of `of_message` for a message that is not there."""
    return dict.fromkeys(each.name for each in kind.DESCRIPTOR.fields)


def _value(message: Message, field: Any) -> Any:
    """Return a field's value; `field` is its descriptor, whose type depends on the implementation of protobuf."""
    value = getattr(message, field.name)
    if field.is_repeated:
        return [of_message(each) if isinstance(each, Message) else each for each in value]
    if field.message_type is not None:
        return of_message(value) if message.HasField(field.name) else None
    if field.containing_oneof is not None and not message.HasField(field.name):
        return None
    if field.enum_type is not None:
        name = str(field.enum_type.values_by_number[value].name)
        return None if name.endswith(_UNSPECIFIED) else name
    if value == "" or (field.name in _UNSET_WHEN_ZERO and not value):
        return None
    return value
