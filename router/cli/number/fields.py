"""--field NAME=VALUE: public fields from the command line."""

from collections.abc import Sequence
from typing import Any

import click
import orjson

from router.bulk.records import put
from router.bulk.rows import InvalidRowError
from router.cli.options import as_text

_JSON_LITERALS = ("true", "false", "null")


def public_fields(given: Sequence[str]) -> dict[str, Any] | None:
    """Return the fields given by --field, or None if it was not given.

    Raises:
        click.BadParameter: a field can't be parsed.
    """
    fields: dict[str, Any] = {}
    for text in map(as_text, given):
        name, equals, value = text.partition("=")
        if text.startswith("{"):
            fields |= _object(text)
        elif not equals or not all(name.split(".")):
            raise _usage_error(f"write NAME=VALUE (such as prepend.name=Sales) or a JSON object, not {text!r}")
        else:
            _put(fields, name, value)
    private = next((name for name in fields if name.startswith(("pvt_", "_"))), None)
    if private is not None:
        raise _usage_error(f"{private} is the number manager's own: only fields without pvt_ can be set")
    return fields if given else None


def _put(fields: dict[str, Any], name: str, text: str) -> None:
    try:
        put(fields, tuple(name.split(".")), _value(text), name)
    except InvalidRowError as problem:
        raise _usage_error(str(problem)) from None


def _value(text: str) -> Any:
    """Parse true, false, null, objects, lists and quoted texts as JSON; everything else is text, 94107 too."""
    if text in _JSON_LITERALS or text.startswith(("{", "[", '"')):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as problem:
            raise _usage_error(f"{text[:40]!r} is not JSON: {problem}") from None
    return text


def _object(text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        raise _usage_error(f"{text[:40]!r} is not JSON: {problem}") from None
    return dict(value)


def _usage_error(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--field", ctx=click.get_current_context(silent=True))
