"""Validates public fields; an error names the field, its limit and the value."""

from collections.abc import Mapping
from typing import Any

from router.manager.features.provider import InvalidFieldsError
from router.numbers.fields import is_false, is_true, is_unset, shown

MAX_LENGTH = 256
"""Characters in a text without a limit of its own."""


def table(public: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object of fields, empty if it is unset.

    Raises:
        InvalidFieldsError: the value is no object.
    """
    value = public.get(name)
    if is_unset(value):
        return {}
    if not isinstance(value, Mapping):
        raise InvalidFieldsError(f"{name} is {shown(value)}: it must be an object")
    return value


def text(fields: Mapping[str, Any], path: str, min_length: int = 1, max_length: int = MAX_LENGTH) -> str | None:
    """Return a printable text, or None if it is unset.

    Args:
        fields: the object that holds it.
        path: from the document's top; its last step is the field's name.

    Raises:
        InvalidFieldsError: the value is too short, too long, not printable, or no text.
    """
    value = fields.get(path.rpartition(".")[2])
    if value is None or value == "":
        return None
    if isinstance(value, str) and min_length <= len(value) <= max_length and value.isprintable():
        return value
    limit = f"{min_length}" if min_length == max_length else f"{min_length} to {max_length}"
    raise InvalidFieldsError(f"{path} is {shown(value)}: it must be printable text of {limit} characters")


def required(fields: Mapping[str, Any], path: str, min_length: int = 1, max_length: int = MAX_LENGTH) -> str:
    """Like `text`, but the field must be set.

    Raises:
        InvalidFieldsError: it is unset, or see `text`.
    """
    value = text(fields, path, min_length, max_length)
    if value is None:
        raise InvalidFieldsError(f"{path} is missing: it is required")
    return value


def flag(fields: Mapping[str, Any], path: str) -> bool | None:
    """Return true or false, quoted as KAZOO reads them or not; None if it is unset.

    Raises:
        InvalidFieldsError: the value is neither.
    """
    value = fields.get(path.rpartition(".")[2])
    if is_unset(value):
        return None
    if not (is_true(value) or is_false(value)):
        raise InvalidFieldsError(f"{path} is {shown(value)}: it must be true or false")
    return is_true(value)
