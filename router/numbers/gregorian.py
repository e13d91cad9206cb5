"""Gregorian seconds, the unit of time in KAZOO's documents: whole seconds from the year 0, UTC."""

UNIX_EPOCH = 62167219200
"""Gregorian seconds at 1970-01-01T00:00:00Z."""


def from_unix(seconds: int) -> int:
    """Return the Gregorian seconds of a Unix time in seconds."""
    return seconds + UNIX_EPOCH


def to_unix(gregorian: int) -> int:
    """Return the Unix time in seconds of Gregorian seconds."""
    return gregorian - UNIX_EPOCH
