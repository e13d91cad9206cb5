"""The settings: flags over environment over a TOML file over defaults; their errors and redaction."""

from router.settings.settings import LOG_FORMAT, CopiesMode, Settings, SettingsError

__all__ = ["LOG_FORMAT", "CopiesMode", "Settings", "SettingsError"]
