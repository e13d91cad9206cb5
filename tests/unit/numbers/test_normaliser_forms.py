"""Every way to write a number leads to the same E.164 number: every country, every type."""

from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

from router.numbers.dial_plans import DialPlan
from router.numbers.normaliser import Normaliser

NORMALISER = Normaliser({})


def examples() -> Iterator[PhoneNumber]:
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in PhoneNumberType.values():
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                yield number
    for code in phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS:
        number = phonenumbers.example_number_for_non_geo_entity(code)
        if number is not None:
            yield number


EXAMPLES = {phonenumbers.format_number(number, PhoneNumberFormat.E164): number for number in examples()}


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
