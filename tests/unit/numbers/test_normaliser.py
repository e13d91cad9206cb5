"""The normaliser's promises, whatever it is given."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
