"""Gregorian seconds, in which KAZOO's documents tell the time: whole seconds from the year 0, UTC."""

UNIX_EPOCH = 62167219200
"""Gregorian seconds at 1970-01-01T00:00:00Z."""


def from_unix(seconds: int) -> int:
    """Gregorian seconds of a Unix time in seconds."""
    return seconds + UNIX_EPOCH


def to_unix(g: int) -> int:
    """Unix time in seconds of Gregorian seconds."""
    return g - UNIX_EPOCH
