"""Regular expressions that operators write for KAZOO, that is for PCRE on bytes."""

import re

from router.numbers.regex_cost import MAX_STEPS, max_steps

_POSIX_CLASS = "[:"


def compiled(regex: str, owner: str) -> re.Pattern[bytes]:
    r"""Compile as KAZOO does: on bytes, so that `\d` matches ASCII digits only.

    Args:
        regex: the operator's text.
        owner: for the message.

    Raises:
        ValueError: Python can't parse it, parses it differently from PCRE, or could take too long to match.
    """
    if _POSIX_CLASS in regex:
        raise ValueError(f"{owner}: {regex!r} has a POSIX class such as [:digit:]: write [0-9] instead")
    octets = regex.encode("utf-8", "replace")
    try:
        pattern = re.compile(octets)
        steps = max_steps(octets)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{owner}: {regex!r} is not a regular expression ({error}): correct it") from error
    if steps > MAX_STEPS:
        raise ValueError(
            f"{owner}: {regex!r} could try too many ways to match a long text, and hold up every call: begin it "
            "with ^, and let no repetition stand inside another, or beside one that takes the same characters"
        )
    return pattern


def last_capture(match: re.Match[bytes]) -> bytes:
    """Return the capture that KAZOO uses: the highest-numbered group that participated, or the whole match.

    `match.lastindex` differs: it is the group that *closed* last, the outer one of nested groups.
    """
    for group in range(match.re.groups, 0, -1):
        if match.start(group) != -1:
            return match[group]
    return match[0]
