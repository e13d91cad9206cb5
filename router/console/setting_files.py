"""Reads the files that the console's settings name."""

from pathlib import Path

from router.settings import SettingsError


def read_file(path: Path, setting: str) -> bytes:
    """Return a file's content.

    Raises:
        SettingsError: names the setting, the file and the reason.
    """
    try:
        return path.read_bytes()
    except OSError as problem:
        raise SettingsError(f"setting '{setting}': {path}: {problem.strerror}") from None
