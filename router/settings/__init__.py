"""The settings: flags over environment over a TOML file over defaults; their errors and redaction."""

from router.settings.errors import SettingsError
from router.settings.groups.background import CopiesMode
from router.settings.settings import LOG_FORMAT, NAMES, Settings

__all__ = ["LOG_FORMAT", "NAMES", "CopiesMode", "Settings", "SettingsError"]
