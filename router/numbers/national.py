"""National numbers of every country, by Google's libphonenumber (`phonenumbers`)."""

import re

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, shortnumberinfo

_DIGITS = re.compile(r"[0-9]+")  # phonenumbers itself ignores letters, "*" and much more
_INTERNATIONAL = re.compile(r"\+[0-9]+")
_MIN_POSSIBLE_DIGITS = 7
"""National digits; a number with fewer must be valid, not just possible."""


def without_trunk_prefix(number: str) -> str | None:
    """Return the E.164 number of "+44 (0)20 ...", given as `+44020...`: Britain drops that 0, Italy keeps it.

    Returns:
        The number; None where it can't be one.
    """
    if _INTERNATIONAL.fullmatch(number) is None:
        return None
    parsed = _parsed(number, None)
    if parsed is None or phonenumbers.is_valid_number(parsed):
        return _accepted(parsed)
    kept = phonenumbers.national_significant_number(parsed)  # invalid with the 0, so perhaps valid without
    return _accepted(_parsed(f"+{parsed.country_code}{kept.removeprefix('0')}", None))


def in_context(number: str, context: str) -> str | None:
    """Return the E.164 number of a local number in a context such as `+44` (RFC 3966's `phone-context`).

    Returns:
        The number; None where both together are invalid, since the context may be more than a prefix.
    """
    if _DIGITS.fullmatch(number) is None:
        return None
    parsed = _parsed(f"tel:{number};phone-context={context}", None)
    if parsed is None or not phonenumbers.is_valid_number(parsed):
        return None
    return _e164(parsed)


def is_brief(number: str) -> bool:
    """Return whether a number is as short as emergency numbers, feature codes and extensions."""
    return len(number) < _MIN_POSSIBLE_DIGITS


def in_region(number: str, region: str) -> str | None:
    """Return the E.164 number of digits dialled in a country.

    Args:
        number: national digits, or international ones without their prefix.
        region: ISO 3166 code.

    Returns:
        The number; None for anything but digits, for emergency and short numbers, and for impossible numbers.
    """
    if _DIGITS.fullmatch(number) is None:
        return None
    parsed = _parsed(number, region)
    if parsed is None:
        return None
    if is_brief(number) and _is_short(number, parsed, region):
        return None
    international = _already_international(number, region)
    if international is not None or phonenumbers.is_valid_number(parsed):
        return international or _e164(parsed)
    return None if _is_short(number, parsed, region) else _accepted(parsed)


def _already_international(number: str, region: str) -> str | None:
    """Return the international reading of digits that begin with the country code, in a country with a trunk prefix."""
    code = str(phonenumbers.country_code_for_region(region))
    if not number.startswith(code) or not phonenumbers.ndd_prefix_for_region(region, True):  # noqa: FBT003
        return None
    parsed = _parsed("+" + number, None)
    if parsed is None or not phonenumbers.is_valid_number(parsed):
        return None
    return _e164(parsed)


def _is_short(number: str, parsed: PhoneNumber, region: str) -> bool:
    """Return whether a number is an emergency number or a short one, such as 112 or 116123."""
    if shortnumberinfo.is_emergency_number(number, region):
        return True
    return shortnumberinfo.is_valid_short_number_for_region(parsed, region)


def _parsed(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _accepted(parsed: PhoneNumber | None) -> str | None:
    if parsed is None:
        return None
    if phonenumbers.is_valid_number(parsed):
        return _e164(parsed)
    is_long_enough = len(phonenumbers.national_significant_number(parsed)) >= _MIN_POSSIBLE_DIGITS
    return _e164(parsed) if is_long_enough and phonenumbers.is_possible_number(parsed) else None


def _e164(parsed: PhoneNumber) -> str:
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
