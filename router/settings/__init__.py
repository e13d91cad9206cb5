"""The settings: flags over environment over a TOML file over defaults; their errors and redaction."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from router.settings.errors import SettingsError

if TYPE_CHECKING:
    from router.settings.groups.background import CopiesMode
    from router.settings.settings import NAMES, Settings

__all__ = ["NAMES", "CopiesMode", "Settings", "SettingsError"]


def __getattr__(name: str) -> Any:
    """Load the settings at their first use: a lookup from the shell needs none, and starts sooner."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "groups.background" if name == "CopiesMode" else "settings"
    return getattr(import_module(f"{__name__}.{module}"), name)
