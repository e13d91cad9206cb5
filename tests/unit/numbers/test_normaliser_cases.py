"""KAZOO's own cases, under the dial plan `kazoo`: what its converters do, exactly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from router.numbers import shards
from router.numbers.classifiers import DEFAULT_CLASSIFIERS, classify, pretty_print
from router.numbers.dial_plans import DEFAULT_CONVERTERS, KAZOO, DialPlan, convert, converters_of
from router.numbers.normaliser import DEFAULT_RECONCILE_REGEX, Normaliser
from router.numbers.system_config import read as read_config

CASES = json.loads((Path(__file__).parents[2] / "cases" / "normalisation.json").read_text())

NORMALISER = Normaliser({})


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
        assert not NORMALISER.e164("", "kazoo").reconcilable
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
        number = NORMALISER.e164(number, "kazoo").number
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
    number = NORMALISER.e164(case["input"], "kazoo").number
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
