"""Removal of URI parts, escapes and visual separators around a number.

RFC 3966 (tel) and RFC 3261 section 19.1 (sip).
"""

import re
from typing import NamedTuple
from urllib.parse import unquote

_SCHEME = re.compile(r"(?:sips?|tel):", re.IGNORECASE)
_USER_END = re.compile(r"[;?]")
_CONTEXT = re.compile(r";phone-context=([^;?@]*)", re.IGNORECASE)
_ESCAPED_PLUS = re.compile(r"%2b", re.IGNORECASE)
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_TRUNK_NOTE = re.compile(r"[0-9][-. ]*\( *0 *\)")
_SEPARATORS = str.maketrans("", "", "-.() ")
_DIAL_STRING = re.compile(r"\+?[0-9*#]+")
_GLOBAL_CONTEXT = re.compile(r"\+[0-9]+")


class Cleaned(NamedTuple):
    """A dial string: digits, `*` and `#`, and perhaps a leading "+".

    Attributes:
        text: the dial string.
        trunk_note: whether its country code was followed by "(0)".
        context: the `phone-context` of a local number, where it is itself the beginning of a number, such as `+44`;
            else empty.
    """

    text: str
    trunk_note: bool = False
    context: str = ""


def is_plain(text: str) -> bool:
    """Return whether a text is printable ASCII: switches write numbers in nothing else."""
    return text.isascii() and text.isprintable()


def clean(text: str) -> Cleaned | None:
    """Return the dial string inside a text; None where there is none.

    An IPv4 address is not a number, though it looks like digits with visual separators: a URI without a user part would
    otherwise route to the owner of those digits.
    """
    if not is_plain(text):
        return None
    written = _user_part(text.strip(" "))
    if _IPV4.fullmatch(written):
        return None
    dialled = written.translate(_SEPARATORS)
    if _DIAL_STRING.fullmatch(dialled) is None:
        return None
    return Cleaned(dialled, _TRUNK_NOTE.search(written) is not None, _context(text, dialled))


def _user_part(uri: str) -> str:
    """Return `+1415` of `sip:+1415;npdi:secret@example.com;user=phone?subject=x`."""
    scheme = _SCHEME.match(uri)
    rest = uri[scheme.end() :] if scheme else uri
    user, at, _ = rest.partition("@")
    user = _USER_END.split(user, maxsplit=1)[0]
    user = user.partition(":")[0] if at else user
    # An escaped character is the character itself (RFC 3261, 19.1.4). Outside of URIs switches escape the plus alone.
    return unquote(user) if scheme else _ESCAPED_PLUS.sub("+", user)


def shortened(text: str) -> str:
    """Return a URI with its scheme, user part and `phone-context` alone; any other text unchanged."""
    scheme = _SCHEME.match(text.lstrip(" "))
    if scheme is None:
        return text
    user = _USER_END.split(text.lstrip(" ")[scheme.end() :].partition("@")[0], maxsplit=1)[0]
    context = _CONTEXT.search(text)
    return scheme[0] + user + (context[0] if context else "")


def _context(text: str, dialled: str) -> str:
    """Return the prefix that a local number belongs to (RFC 3966, 5.1.5); empty for a domain name."""
    if dialled.startswith("+"):
        return ""
    given = _CONTEXT.search(text)
    if given is None:
        return ""
    context = _ESCAPED_PLUS.sub("+", given[1]).translate(_SEPARATORS)
    return context if _GLOBAL_CONTEXT.fullmatch(context) else ""
