"""The JSON printed by `--json`: every key is always present, a missing value is null, and one thing has one shape.

The schemas are in docs/schemas; tests check every command against them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.message import Message

_UNSPECIFIED = "_UNSPECIFIED"
_UNSET_WHEN_ZERO = frozenset(("age_seconds",))
"""Numbers whose 0 means unknown."""


def text_or_null(text: str | None) -> str | None:
    """Return a text, or None if it is empty."""
    return text or None


def failed_databases(found: Mapping[str, str]) -> list[dict[str, str]]:
    """Return databases that failed, sorted by name, with the reason."""
    return [{"database": name, "message": why} for name, why in sorted(found.items())]


def skipped(found: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Return skipped documents (database, id, reason)."""
    return [{"database": database, "id": identifier, "message": why} for database, identifier, why in found]


def of_message(message: Message) -> dict[str, Any]:
    """Return all fields of a message under their proto names; unset ones are None.

    A message inside it is an object if it is set, else None; enumerations are their names.
    """
    return {each.name: _value(message, each) for each in message.DESCRIPTOR.fields}


def nulls_of(kind: type[Message]) -> dict[str, None]:
    """Return the keys of `of_message` with None for each, for a missing message."""
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
