"""Regular expressions that operators wrote for KAZOO, that is for PCRE on bytes."""

import re

_POSIX_CLASS = "[:"


def compiled(regex: str, owner: str) -> re.Pattern[bytes]:
    r"""Compile as KAZOO does: on bytes, so that `\d` is an ASCII digit and nothing else.

    Args:
        regex: as the operator wrote it.
        owner: what it belongs to, for the message.

    Raises:
        ValueError: Python can't read it, or would read it as something else than PCRE does.
    """
    if _POSIX_CLASS in regex:
        raise ValueError(f"{owner}: {regex!r} has a POSIX class such as [:digit:]: write [0-9] instead")
    try:
        return re.compile(regex.encode("utf-8", "replace"))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{owner}: {regex!r} is not a regular expression ({error}): correct it") from error


def last_capture(match: re.Match[bytes]) -> bytes:
    """What KAZOO takes from a match: the highest-numbered group that took part, or all of it.

    `match.lastindex` is another thing: the group that *closed* last, the outer one of nested groups.
    """
    for group in range(match.re.groups, 0, -1):
        if match.start(group) != -1:
            return match[group]
    return match[0]
