"""Values as people read them: ages, times, sizes."""

from datetime import UTC, datetime

NONE = "–"  # noqa: RUF001 - a dash, as in tables
"""Stands for a value that is not known."""

_AGES = ((86400 * 365.25, "year"), (86400.0, "day"), (3600.0, "hour"), (60.0, "min"))
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def age(seconds: float | None) -> str:
    """Return a length of time: two digits that matter, and a unit."""
    if seconds is None:
        return NONE
    for length, unit in _AGES:
        if seconds >= length:
            count = seconds / length
            plural = "s" if unit != "min" and round(count, 1) != 1 else ""
            return f"{count:,.1f} {unit}{plural}".replace(".0 ", " ")
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - as many digits as matter


def size(count: float | None) -> str:
    """Return bytes with a unit."""
    if count is None:
        return NONE
    for unit in _UNITS:
        if abs(count) < 1024 or unit == _UNITS[-1]:  # noqa: PLR2004
            return f"{count:.0f} {unit}"
        count /= 1024
    raise AssertionError  # the loop returns at its last unit


def moment(unix: float) -> str:
    """Return a time in UTC; `unknown` for 0, and the number itself for one that no calendar has."""
    if not unix:
        return "unknown"
    try:
        return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{unix:.0f} (Unix seconds)"
