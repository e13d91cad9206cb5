"""Settings as they may be shown: without passwords, and without the values of plug-ins."""

from collections.abc import Mapping
from typing import Any

from router.settings.urls import without_password


def redacted(name: str | None, value: Any) -> Any:
    """Return a setting as it may be shown.

    Args:
        name: its name inside its group, or at the top.
        value: its value. Only the names in a plug-in's table are shown, as their values may be secrets.
    """
    if name == "url" and isinstance(value, str):
        return without_password(value)
    if name in {"carriers", "features"} and isinstance(value, Mapping):
        return {plugin: dict.fromkeys(table, "***") for plugin, table in value.items()}
    return value
