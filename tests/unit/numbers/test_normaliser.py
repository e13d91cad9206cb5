"""The normaliser's promises, whatever it is given."""

from collections import Counter
from collections.abc import Iterator

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

from router.numbers.dial_plans import DialPlan
from router.numbers.normaliser import MAX_NUMBER_BYTES, Normaliser
from tests.support.examples import examples

NORMALISER = Normaliser({})

DIALLED = st.text("0123456789+*#-.() ", max_size=30)
URIS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "sip:", "tel:", "SIPS:", "%2B", " "]),
    DIALLED,
    st.sampled_from(["", "@", ":pw@", ";npdi", ";phone-context=+44", ";phone-context=+1", "(0)"]),
    st.text("0123456789+@;:?=.a%2B() ", max_size=20),
)
TEXTS = st.one_of(
    DIALLED,
    URIS,
    st.text(max_size=300),
    st.binary(max_size=300).map(lambda octets: octets.decode("utf-8", "ignore")),
    st.characters().map(lambda character: character + "4158867900"),
)


@given(TEXTS)
@settings(max_examples=examples(1000))
def test_doing_it_twice_changes_nothing(text: str) -> None:
    once = NORMALISER.e164(text)
    assert NORMALISER.e164(once.number) == once


@given(TEXTS)
@settings(max_examples=examples(1000))
def test_fast_way_and_full_way_agree(text: str) -> None:
    for plan in ("", "kazoo"):
        reported = NORMALISER.explain(text, plan)
        assert NORMALISER.e164(text, plan) == (reported.number, reported.reconcilable)
        assert NORMALISER.e164(text, plan) == (reported.number, reported.reconcilable)  # remembered


def digits(text: str) -> Counter[str]:
    return Counter(filter("0123456789".__contains__, text))


@given(TEXTS)
@settings(max_examples=examples(1000))
def test_no_digit_is_invented(text: str) -> None:
    """Every digit comes from the input, but for the 1 of North America."""
    reported = NORMALISER.explain(text)
    invented = digits(reported.number) - digits(text)
    assert invented == (Counter("1") if reported.rule == "converter 1" and invented else Counter())


@given(TEXTS)
@settings(max_examples=examples(1000))
def test_reconcilable_number_is_short_printable_ascii(text: str) -> None:
    for plan in ("", "kazoo"):
        number, reconcilable = NORMALISER.e164(text, plan)
        if reconcilable:
            assert number.isascii()
            assert number.isprintable()
            assert 0 < len(number) <= MAX_NUMBER_BYTES


@given(st.text(st.characters(exclude_characters="0123456789"), max_size=40))
def test_text_without_digits_is_left_alone(text: str) -> None:
    number, reconcilable = NORMALISER.e164(text)
    assert not reconcilable
    if not set(text) & set("*#"):
        assert number == text


@pytest.mark.parametrize("filler", ["4", "x", "é", "\U0001f4de", "\ud800", "(", "-", ";", "%2B"])
def test_any_length(filler: str) -> None:
    for length in (
        1,
        15,
        16,
        MAX_NUMBER_BYTES // 4,
        MAX_NUMBER_BYTES - 1,
        MAX_NUMBER_BYTES,
        MAX_NUMBER_BYTES + 1,
        100_000,
    ):
        text = (filler * length)[:length]
        reported = NORMALISER.explain(text)
        assert NORMALISER.e164(text) == (reported.number, reported.reconcilable)
        if len(text.encode("utf-8", "replace")) > MAX_NUMBER_BYTES:
            assert (reported.number, reported.rule, reported.reconcilable) == (text, "too long", False)
        else:
            assert reported.rule != "too long"


def test_longest_number_that_a_converter_would_make_too_long() -> None:
    text = "4" * MAX_NUMBER_BYTES
    assert NORMALISER.e164(text) == ("+" + text, False)
    assert NORMALISER.e164(text[1:]) == ("+" + text[1:], True)


@pytest.mark.parametrize(
    ("regex", "reconcilable"),
    [
        (r"^\+\d{8,25}$", True),
        (r"67900", True),  # found anywhere, as in KAZOO
        (r"(?i)^\+1\d+$", True),  # flags for the whole of it
        (r"^\+\d{8,10}$", False),
        (r"^\+1415(?!886)", False),
        ("é*", False),  # a byte of two that must be there, and one that may
        ("^(?:é|\\+1)", True),
        (r"(?L)^\+1", True),  # a flag that only bytes may have
    ],
)
def test_exact_numbers_obey_the_reconcile_regex(regex: str, *, reconcilable: bool) -> None:
    ours = Normaliser({}, reconcile_regex=regex)
    assert ours.e164("+14158867900") == ("+14158867900", reconcilable)
    assert ours.e164("sip:+14158867900@h") == ("+14158867900", reconcilable)
    assert ours.explain("+14158867900").rule == ("e164" if reconcilable else "plus")


@pytest.mark.parametrize("text", ["+4412345", "+04158867900", "+1415886790012345", "+14158867900\n", "14158867900"])
def test_explain_inexact_number_uses_another_rule_than_e164(text: str) -> None:
    assert NORMALISER.explain(text).rule != "e164"


def test_unusable_reconcile_regex() -> None:
    with pytest.raises(ValueError, match="reconcile_regex"):
        Normaliser({}, reconcile_regex="(")


def test_memory_is_bounded() -> None:
    ours = Normaliser({}, remembered=8)
    for number in range(4_158_867_900, 4_158_868_000):
        ours.e164(str(number))
    ours.e164("x" * (MAX_NUMBER_BYTES + 1))
    remembered = ours._target_of.cache_info()
    assert (remembered.currsize, remembered.misses) == (8, 100)


def test_exact_numbers_take_no_memory() -> None:
    ours = Normaliser({}, remembered=8)
    ours.e164("+14158867900")
    assert ours._target_of.cache_info().currsize == 0


def example_numbers() -> Iterator[PhoneNumber]:
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in PhoneNumberType.values():
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                yield number
    for code in phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS:
        number = phonenumbers.example_number_for_non_geo_entity(code)
        if number is not None:
            yield number


EXAMPLES = {phonenumbers.format_number(number, PhoneNumberFormat.E164): number for number in example_numbers()}


def test_examples_are_more_than_800() -> None:
    assert len(EXAMPLES) > 800


def forms(e164: str, number: PhoneNumber) -> dict[str, str]:
    digits = e164.removeprefix("+")
    spaced = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    return {
        "e164": e164,
        "spaced": spaced,
        "surrounded": f"  {spaced} ",
        "dashed": spaced.replace(" ", "-"),
        "dotted": spaced.replace(" ", "."),
        "bracketed": f"+{number.country_code} ({digits.removeprefix(str(number.country_code))})",
        "tel": phonenumbers.format_number(number, PhoneNumberFormat.RFC3966),
        "tel, parameters": f"TEL:{spaced.replace(' ', '-')};isub=1;ext=5",
        "sip": f"sip:{e164}@sip.example.com",
        "sip, parameters": f"sip:{e164};npdi;rn={e164}:pw@192.0.2.1:5060;transport=udp;user=phone?subject=+1",
        "user and host": f"{e164}@192.0.2.1",
        "escaped": f"%2B{digits}",
        "escaped sip": f"sips:%2b{digits}@example.com",
        "00": f"00{digits}",
        "011": f"011{digits}",
        "00, spaced": f"00 {spaced.removeprefix('+')}",
    }


@pytest.mark.parametrize("form", sorted(forms("+14158867900", phonenumbers.parse("+14158867900"))))
def test_every_form_meets(form: str) -> None:
    differences = {}
    for e164, number in EXAMPLES.items():
        written = forms(e164, number)[form]
        if NORMALISER.e164(written) != NORMALISER.e164(e164):
            differences[written] = NORMALISER.e164(written).number
    assert differences == {}
    assert all(NORMALISER.e164(e164).number == e164 for e164 in EXAMPLES)


def test_trunk_prefix_notes_meet() -> None:
    """+CC (0)NSN, wherever 0 is the trunk prefix or the number itself begins with it."""
    differences = {}
    for e164, number in EXAMPLES.items():
        code = str(number.country_code)
        region = phonenumbers.region_code_for_number(number)
        if region is None or phonenumbers.ndd_prefix_for_region(region, True) != "0":
            continue
        written = f"+{code} (0){e164.removeprefix('+' + code).removeprefix('0')}"
        if NORMALISER.e164(written).number != e164:
            differences[written] = NORMALISER.e164(written).number
    assert differences == {}


def test_national_forms_meet_under_a_plan_for_the_country() -> None:
    """As each country's people write it, under a plan that has that region and no converters."""
    plans = {region: DialPlan(region, region=region, converters=()) for region in phonenumbers.SUPPORTED_REGIONS}
    ours = Normaliser(plans)
    differences = {}
    for region in sorted(plans):
        number = phonenumbers.example_number_for_type(region, PhoneNumberType.FIXED_LINE)
        if number is None:
            continue
        written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        for form in (written, f"sip:{written.replace(' ', '-')}@h", e164.removeprefix("+")):
            if ours.e164(form, region).number != e164:
                differences[region, form] = ours.e164(form, region).number
    assert differences == {}
