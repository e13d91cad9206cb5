"""Messages of the API as JSON: the names of the proto files, the same shapes in HTTP and in the command's `--json`.

Every key is always there; a value that is not known is null; an enumeration is its name. `google.protobuf.Struct` is
a plain object, in which whole numbers are whole (proto3's own JSON has 64-bit integers as strings; this has not).
"""

from typing import Any

from google.protobuf.message import Message

_STRUCT = "google.protobuf.Struct"
_UNSPECIFIED = "_UNSPECIFIED"
_MAX_EXACT = 2**53
"""Largest whole number that a double, and so a Struct, holds exactly."""

_UNSET_WHEN_ZERO = frozenset(("age_seconds",))
"""Numbers whose 0 means unknown."""


def json_of(message: Message) -> dict[str, Any]:
    """Return all fields of a message under their proto names; those that are not set are None."""
    return {field.name: _value(message, field) for field in message.DESCRIPTOR.fields}


def nulls_of(kind: type[Message]) -> dict[str, None]:
    """Return the keys of `json_of` for a message that does not exist."""
    return dict.fromkeys(field.name for field in kind.DESCRIPTOR.fields)


def json_fields(struct: Any) -> dict[str, Any]:
    """Return the fields of a `google.protobuf.Struct` as JSON values, whole numbers as int.

    Its type is not imported: commands that print no Struct start sooner.
    """
    return {name: _json_value(value) for name, value in struct.fields.items()}


def _value(message: Message, field: Any) -> Any:
    """Return a field's value; `field` is its descriptor, whose type depends on the implementation of protobuf."""
    value = getattr(message, field.name)
    if field.is_repeated:
        return [json_of(each) if isinstance(each, Message) else each for each in value]
    if isinstance(value, Message):
        return _message(message, field, value)
    if field.enum_type is not None:
        name = str(field.enum_type.values_by_number[value].name)
        return None if name.endswith(_UNSPECIFIED) else name
    return None if _is_unset(message, field, value) else value


def _message(message: Message, field: Any, value: Any) -> Any:
    if value.DESCRIPTOR.full_name == _STRUCT:
        return json_fields(value)
    return json_of(value) if message.HasField(field.name) else None


def _is_unset(message: Message, field: Any, value: Any) -> bool:
    if field.containing_oneof is not None:
        return not message.HasField(field.name)
    return value == "" or (field.name in _UNSET_WHEN_ZERO and not value)


def _json_value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return json_fields(value.struct_value)
    if kind == "list_value":
        return [_json_value(each) for each in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT else number
    return None if kind in {None, "null_value"} else getattr(value, kind)
