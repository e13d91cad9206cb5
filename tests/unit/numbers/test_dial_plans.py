"""Dial plans of one's own, and KAZOO's own cases under the dial plan `kazoo`: what its converters do, exactly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from router.numbers import shards
from router.numbers.classifiers import DEFAULT_CLASSIFIERS, classify, pretty_print
from router.numbers.dial_plans import DEFAULT_CONVERTERS, KAZOO, Converter, DialPlan, convert, converters_of
from router.numbers.normaliser import DEFAULT_RECONCILE_REGEX, Normaliser, UnknownDialPlanError
from router.numbers.system_config import read as read_config

LOCAL_SEVEN = Converter(r"^(\d{7})$", prefix="+1415")

PLANS = {
    "gb": DialPlan("gb", region="GB"),
    "it": DialPlan("it", region="IT", converters=()),
    "de": DialPlan("de", region="DE", converters=()),
    "cn": DialPlan("cn", region="CN", converters=()),
    "es": DialPlan("es", region="ES", converters=()),
    "outside": DialPlan("outside", rules=(Converter(r"^9(\d+)$", name="outside line"),), region="GB"),
    "seven": DialPlan("seven", rules=(Converter(r"^8$"), LOCAL_SEVEN)),
}
NORMALISER = Normaliser(PLANS)


@pytest.mark.parametrize(
    ("plan", "text", "number", "rule"),
    [
        ("gb", "020 7123 4567", "+442071234567", "phonenumbers GB"),
        ("gb", "(020) 7123-4567", "+442071234567", "phonenumbers GB"),
        ("gb", "442071234567", "+442071234567", "converter 3"),
        ("gb", "+442071234567", "+442071234567", "e164"),
        ("gb", "999", "999", "unchanged"),
        ("gb", "101", "101", "unchanged"),
        ("gb", "116123", "116123", "unchanged"),
        ("gb", "1800FLOWERS", "1800FLOWERS", "unchanged"),
        ("gb", "*98", "*98", "unchanged"),
        ("it", "06 6982 1234", "+390669821234", "phonenumbers IT"),
        ("it", "3931234567", "+393931234567", "phonenumbers IT"),  # a mobile, though it begins with 39
        ("de", "030 123456", "+4930123456", "phonenumbers DE"),
        ("de", "4930123456", "+4930123456", "phonenumbers DE"),  # carries its country code already
        ("de", "4930123", "+4930123", "phonenumbers DE"),  # +49 4930123 would be possible, not valid
        ("de", "227700", "227700", "unchanged"),  # a short number, though +49 227700 would be valid
        ("cn", "10620000", "10620000", "unchanged"),  # a short number, though +86 10620000 would be possible
        ("es", "945123456", "+34945123456", "phonenumbers ES"),
        ("es", "34945123456", "+34945123456", "phonenumbers ES"),
        ("es", "112", "112", "unchanged"),
        ("outside", "902071234567", "+442071234567", "outside line + phonenumbers GB"),
        ("outside", "914158867900", "+14158867900", "outside line + converter 1"),
        ("seven", "8867900", "+14158867900", "dial plan 2"),
        ("seven", "886-7900", "+14158867900", "dial plan 2"),
        ("seven", "+8867900", "+8867900", "plus"),
        ("kazoo", "+8867900", "+8867900", "plus"),
        ("", "4158867900", "+14158867900", "converter 1"),
        ("", "911", "911", "unchanged"),
        ("", "sip:911@h", "911", "cleaned"),
    ],
)
def test_explain_names_the_rule_that_decided(plan: str, text: str, number: str, rule: str) -> None:
    report = NORMALISER.explain(text, plan)
    assert (report.number, report.rule) == (number, rule)
    assert NORMALISER.e164(text, plan) == (report.number, report.reconcilable)


def test_explain_tells_everything() -> None:
    report = NORMALISER.explain("020 7123 4567", "gb")
    assert (report.input, report.dial_plan) == ("020 7123 4567", "gb")
    assert (report.reconcilable, report.classification, report.database) == (
        True,
        "international",
        "numbers/+4420",
    )
    assert NORMALISER.explain("4158867900").dial_plan == "system"


@pytest.mark.parametrize("text", ["alice", "911", "1000", "+911"])
def test_no_database_where_there_is_nothing_to_look_up(text: str) -> None:
    assert NORMALISER.explain(text).database is None


def test_no_database_that_couchdb_would_refuse() -> None:
    stars = Normaliser({}, reconcile_regex=r"^\*\d+$").explain("*9812345")
    assert (stars.reconcilable, stars.database) == (True, None)


def test_operators_converters_see_what_is_no_dial_string() -> None:
    plan = DialPlan("trunk", converters=(Converter(r"^T(\d{10})$", prefix="+1"),))
    assert Normaliser({"trunk": plan}).e164("T4158867900", "trunk") == ("+14158867900", True)


@pytest.mark.parametrize("text", ["4158867900", "+14158867900", "x" * 300])
def test_unknown_plan(text: str) -> None:
    for ask in (NORMALISER.e164, NORMALISER.explain):
        with pytest.raises(UnknownDialPlanError, match=r"'fr'.*cn, de, es, gb, it, kazoo, outside, seven, system"):
            ask(text, "fr")


def test_system_plan_may_be_replaced() -> None:
    ours = Normaliser({"system": PLANS["gb"]})
    assert ours.e164("02071234567") == ours.e164("02071234567", "system") == ("+442071234567", True)


@pytest.mark.parametrize("regex", ["(", r"^[[:digit:]]+$", "a{99999999999}"])
def test_unusable_rule_names_itself(regex: str) -> None:
    with pytest.raises(ValueError, match="dial plan 'uk', rule 2"):
        converters_of({r"^0(\d+)$": {"prefix": "+44"}, regex: {}}, "dial plan 'uk'")
    with pytest.raises(ValueError, match="outside"):
        Converter(regex, name="outside")


@pytest.mark.parametrize("affixes", [None, "+1", {"prefix": 1}, {"name": "a\nb"}])
def test_unusable_affixes(affixes: object) -> None:
    with pytest.raises(ValueError, match="dial plan 'uk', rule 1"):
        converters_of({"^1$": affixes}, "dial plan 'uk'")


def test_unusable_region_names_its_plan() -> None:
    with pytest.raises(ValueError, match=r"'uk'.*'UK' is not a region"):
        DialPlan("uk", region="UK")


def test_rules_result_goes_to_the_converters_even_with_plus() -> None:
    plan = DialPlan(
        "both",
        rules=(Converter(r"^7(\d{7})$", prefix="+1415"),),
        converters=(Converter(r"^\+1415(\d+)$", prefix="+1510"),),
    )
    assert convert("78867900", plan) == ("+15108867900", "dial plan 1 + converter 1")


def test_numbers_match_on_bytes() -> None:
    assert convert("٤١٥٨٨٦٧٩٠٠", DialPlan("d", converters=(Converter(r"^\d+$", prefix="+"),)))[1] == ""
    assert Converter("^.(.)").convert("é1") is not None  # half a character is no reason to fail


CASES = json.loads((Path(__file__).parents[2] / "cases" / "normalisation.json").read_text())

KAZOO_NORMALISER = Normaliser({})


def cases(section: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", CASES[section], ids=lambda case: f"{case['input']!r}"[:40])


def plan_of(options: dict[str, Any]) -> DialPlan:
    rules = converters_of(dict(options.get("dial_plan", [])), "dial plan 'case'")
    converters = DEFAULT_CONVERTERS
    if "e164_converters" in options:
        converters = converters_of(dict(options["e164_converters"]), "e164_converters")
    return DialPlan("case", rules=rules, converters=converters, cleans=False)


@cases("normalisation")
def test_normalisation(case: dict[str, Any]) -> None:
    given, options = case["input"], case["options"]
    if given is None:  # no number at all: the service gets it as an empty text
        assert not KAZOO_NORMALISER.e164("", "kazoo").reconcilable
        return
    plan, shortcut = plan_of(options), options.get("arity") != 3
    numbers = given if isinstance(given, list) else [given]
    made = [convert(number, plan, plus_shortcut=shortcut)[0] for number in numbers]
    assert made == (case["expected"] if isinstance(given, list) else [case["expected"]])
    if shortcut:
        normaliser = Normaliser({"case": plan})
        assert [normaliser.e164(number, "case").number for number in numbers] == made
        assert [normaliser.explain(number, "case").number for number in numbers] == made


@cases("is_reconcilable")
def test_is_reconcilable(case: dict[str, Any]) -> None:
    regex = case["options"].get("reconcile_regex", DEFAULT_RECONCILE_REGEX)
    normaliser = Normaliser({"case": plan_of(case["options"])}, reconcile_regex=regex)
    assert normaliser.e164(case["input"], "case") == (case["normalised"], case["expected"])
    assert normaliser.explain(case["input"], "case").reconcilable is case["expected"]


def nanp(text: str, prefix: str) -> str:
    """KAZOO's `to_npan` and `to_1npan`, which this product doesn't need: its first converter alone."""
    plan = DialPlan("nanp", converters=converters_of({DEFAULT_CONVERTERS[0].regex: {"prefix": prefix}}, "nanp"))
    return convert(text, plan, plus_shortcut=False)[0]


OTHER_FUNCTIONS: dict[str, Callable[[str], object]] = {
    "to_npan": lambda text: nanp(text, ""),
    "to_1npan": lambda text: nanp(text, "1"),
    "to_strip_plus": lambda text: convert(text, KAZOO)[0].removeprefix("+"),
    "is_normalized": lambda text: convert(text, KAZOO)[0] == text,
    "is_npan": lambda text: nanp(text, "") == text,
    "is_1npan": lambda text: nanp(text, "1") == text,
}


@cases("converters_other")
def test_other_functions(case: dict[str, Any]) -> None:
    assert OTHER_FUNCTIONS[case["options"]["function"]](case["input"]) == case["expected"]


@cases("to_db")
def test_database_name(case: dict[str, Any]) -> None:
    number = case["input"]
    if case["options"].get("normalise_first"):
        number = KAZOO_NORMALISER.e164(number, "kazoo").number
    name = shards.shard_for(number)
    assert (None if name is None else shards.encoded(name)) == case["expected"]


@cases("db_classification")
def test_database_class(case: dict[str, Any]) -> None:
    """`numbers/managed` and `numbers/inum` are of KAZOO's class, and no routing shards."""
    assert shards.is_shard(shards.decoded(case["input"])) is (case["expected"] is True)


@cases("classify")
def test_classify(case: dict[str, Any]) -> None:
    table = DEFAULT_CLASSIFIERS
    if case["options"]["order"].startswith("alphabetical"):
        saved = {c.name: {"regex": c.regex} for c in sorted(table, key=lambda c: c.name)}
        table = read_config({"default": {"classifiers": saved}})[0].classifiers
    number = KAZOO_NORMALISER.e164(case["input"], "kazoo").number
    assert classify(number, table) == case["expected"]


@cases("pretty_print")
def test_pretty_print(case: dict[str, Any]) -> None:
    assert pretty_print(case["input"], case["options"].get("format")) == case["expected"]


@pytest.mark.parametrize(
    ("template", "written"),
    [(r"S\SS(###\#) ### - *\*", "S(415#) 886 - 7900*"), ("S*\\", "14158867900\\"), ("", "")],
)
def test_pretty_print_escapes(template: str, written: str) -> None:
    assert pretty_print("+14158867900", template) == written
