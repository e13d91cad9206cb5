"""Masks telephone numbers in texts for logs: numbers are personal data."""

import re

_KEPT_BACK = 4
"""Last digits that are masked: those of the subscriber."""
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"(?:(?<![0-9A-Za-z_-])|(?<=%2[Bb]))\d(?:[ ().\-}/]{0,2}\d){6,19}(?![0-9A-Za-z_])")
"""Seven to twenty digits, with what people and Redis keys write between them, outside of words and hexadecimal ids.
Fewer digits are ports, counts and years."""
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?: \d{2})?")


def mask_numbers(text: str) -> str:
    """Return a text with `x` in place of the last four digits of each telephone number."""
    return _NUMBER.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    text = match.group()
    if _ADDRESS.fullmatch(text) or _DATE.fullmatch(text):
        return text
    places = [each.start() for each in _DIGIT.finditer(text)][-_KEPT_BACK:]
    return "".join("x" if place in places else sign for place, sign in enumerate(text))
