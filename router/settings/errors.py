"""The error that ends a start, and its text: one line that names the setting and says what to do."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # commands that need no settings import this, but not pydantic
    from pydantic import ValidationError

    from router.settings.flat_names import FlatNames


class SettingsError(Exception):
    """The settings can't be used; the message says which one and what to do."""


def explain(problem: "ValidationError", names: "FlatNames", config: Path | None) -> str:
    """Return every validation error of the settings in one line.

    Args:
        problem: raised by the settings' model.
        names: the settings' flat names.
        config: the settings file that was read, or None.
    """
    lines = [_explain_one(dict(error), names) for error in problem.errors(include_url=False)]
    return "; ".join(lines) + (f" (settings: {config}, environment, flags)" if config else "")


def unknown_setting(name: str, known: Iterable[str]) -> str:
    """Return the message for a setting that does not exist, with the nearest one that does."""
    return f"unknown setting '{name}'{nearest(name, known)}: see did-router --help or docs/configuration.md"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean '…'?)` for the known name closest to a mistyped one; empty for none."""
    from difflib import get_close_matches  # noqa: PLC0415 - only when something is wrong

    close = get_close_matches(name.replace(" ", ".").rsplit(".", maxsplit=1)[-1], list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _explain_one(error: dict[str, Any], names: "FlatNames") -> str:
    path = tuple(str(part) for part in error["loc"])
    name = names.shown(path) or "settings"
    if error["type"] == "extra_forbidden":
        return unknown_setting(name, names.siblings(path))
    reason = str(error["msg"]).removeprefix("Value error, ")
    return f"setting '{name}': {reason}"
