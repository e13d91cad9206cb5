"""Regular expressions that operators wrote for KAZOO, that is for PCRE on bytes."""

import re

from router.numbers.regex_cost import MOST_STEPS, most_steps

_POSIX_CLASS = "[:"


def compiled(regex: str, owner: str) -> re.Pattern[bytes]:
    r"""Compile as KAZOO does: on bytes, so that `\d` is an ASCII digit and nothing else.

    Args:
        regex: as the operator wrote it.
        owner: what it belongs to, for the message.

    Raises:
        ValueError: Python can't read it, would read it as something else than PCRE does, or could take too long.
    """
    if _POSIX_CLASS in regex:
        raise ValueError(f"{owner}: {regex!r} has a POSIX class such as [:digit:]: write [0-9] instead")
    octets = regex.encode("utf-8", "replace")
    try:
        pattern = re.compile(octets)
        steps = most_steps(octets)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{owner}: {regex!r} is not a regular expression ({error}): correct it") from error
    if steps > MOST_STEPS:
        raise ValueError(
            f"{owner}: {regex!r} could try too many ways to match a long text, and hold up every call: begin it "
            "with ^, and let no repetition stand inside another, or beside one that takes the same characters"
        )
    return pattern


def last_capture(match: re.Match[bytes]) -> bytes:
    """What KAZOO takes from a match: the highest-numbered group that took part, or all of it.

    `match.lastindex` is another thing: the group that *closed* last, the outer one of nested groups.
    """
    for group in range(match.re.groups, 0, -1):
        if match.start(group) != -1:
            return match[group]
    return match[0]
