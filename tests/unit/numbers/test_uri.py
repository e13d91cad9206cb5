"""Texts that the default dial plan removes around a number, and texts that it keeps."""

import pytest

from router.numbers.normaliser import Normaliser
from router.numbers.uri import Cleaned, clean

NORMALISER = Normaliser({})


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("  +14158867900 ", "+14158867900"),
        ("sip:4158867900@example.com", "+14158867900"),
        (
            "SIPS:+14158867900;npdi;rn=+14155550100:secret@example.com:5061;user=phone?subject=x",
            "+14158867900",
        ),
        ("+14158867900:secret@10.0.0.1", "+14158867900"),
        ("sip:+14158867900", "+14158867900"),
        ("TEL:+1-415-886-7900;ext=12", "+14158867900"),
        ("4158867900;phone-context=example.com", "+14158867900"),
        ("%2B14158867900", "+14158867900"),
        ("sip:%2b14158867900@h", "+14158867900"),
        ("sip:+1%20%28415%29%20886-7900@h", "+14158867900"),
        ("sip:%34158867900@h", "+14158867900"),
        (f"sip:4158867900@h;{'x' * 300}", "+14158867900"),
        (f"tel:886-7900;{'x' * 300};phone-context=+1415", "+14158867900"),
        ("+1 (415) 886.7900", "+14158867900"),
        ("(415) 886-7900", "+14158867900"),
        ("sip:alice:pw;x=1@example.com", "sip:alice:pw;x=1@example.com"),
        ("sip:*98@example.com", "*98"),
        ("#31#", "#31#"),
        ("sip:911@example.com", "911"),
        ("tel:911;phone-context=+1", "911"),
    ],
)
def test_cleaned_number(text: str, number: str) -> None:
    assert NORMALISER.e164(text).number == number


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.com",
        "sip:example.com",
        "sip:41.58.86.79",  # digits with dots, but an address: not +41588679 in Switzerland
        "41.58.86.79",
        "sip:41.58.86.79;transport=tcp",
        "sip:4158867900:5060",  # without a user part this is a host and its port
        "415886790a",
        "1800FLOWERS",
        "4158867900x123",
        "4158867900,123",
        "011+442071234567",
        "++14158867900",
        "%2B%2B14158867900",
        "sip:4158867900%40h@h",
        "sip:4158867900%0A@h",
        "%34158867900",
        "+14158867900\n",
        "4158867900\n",
        "\t4158867900",
        "\u200e4158867900",
        "\uff14\uff11\uff15\uff18\uff18\uff16\uff17\uff19\uff10\uff10",
        "",
        " ",
        "()",
        "sip:",
        "tel:;ext=1",
        "@",
        "anonymous",
    ],
)
def test_no_number_is_left_alone(text: str) -> None:
    reported = NORMALISER.explain(text)
    assert (reported.number, reported.reconcilable, reported.rule) == (text, False, "unchanged")
    assert NORMALISER.e164(text) == (text, False)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+44 (0)20 7123 4567", "+442071234567"),
        ("+44(0)2071234567", "+442071234567"),
        ("0044 (0) 20 7123 4567", "+442071234567"),
        ("44 (0)20 7123 4567", "+442071234567"),
        ("+39 (0)6 6982 1234", "+390669821234"),  # Italy dials its 0
        ("+49 (0)30 123456", "+4930123456"),
    ],
)
def test_trunk_prefix_note(text: str, number: str) -> None:
    reported = NORMALISER.explain(text)
    assert (reported.number, reported.rule) == (number, "phonenumbers")


def test_trunk_prefix_note_that_leads_nowhere() -> None:
    assert NORMALISER.e164("+44 (0)1") == ("+44 (0)1", False)
    assert NORMALISER.e164("+44 (0)20 7123 4567*") == ("+44 (0)20 7123 4567*", False)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("tel:2071234567;phone-context=+44", "+442071234567"),
        ("tel:020-7123-4567;phone-context=%2B44", "+442071234567"),
        ("sip:4158867900;phone-context=+1@example.com;user=phone", "+14158867900"),
        ("tel:8867900;phone-context=+1-415", "+14158867900"),
        ("tel:+14158867900;phone-context=+44", "+14158867900"),  # a global number needs no context
    ],
)
def test_phone_context(text: str, number: str) -> None:
    """Without its context, 2071234567 would be read as Egyptian."""
    assert NORMALISER.e164(text) == (number, True)


@pytest.mark.parametrize("text", ["tel:863-1234;phone-context=+1-914-555", "tel:*2071234567;phone-context=+44"])
def test_phone_context_that_makes_no_number(text: str) -> None:
    assert NORMALISER.e164(text) == (text, False)


def test_clean_tells_what_it_saw() -> None:
    assert clean("tel:7042;phone-context=+1-914") == Cleaned("7042", context="+1914")
    assert clean("+44 (0)20") == Cleaned("+44020", trunk_note=True)
    assert clean("(0)20 7123") == Cleaned("0207123")  # no country code before it: a plain area code
    assert clean("alice") is None
