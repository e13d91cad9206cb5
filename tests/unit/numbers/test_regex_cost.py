"""Patterns that could hold up every call are refused; ordinary ones are not, and end soon whatever they are given."""

import json
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest

from router.numbers.classifiers import DEFAULT_CLASSIFIERS, Classifier
from router.numbers.dial_plans import DEFAULT_CONVERTERS, Converter
from router.numbers.normaliser import DEFAULT_RECONCILE_REGEX
from router.numbers.patterns import compiled
from router.numbers.regex_cost import MAX_STEPS, MAX_TEXT_BYTES, max_steps
from router.numbers.system_config import read
from router.settings import Settings, SettingsError
from tests.support.examples import examples

DEFAULTS = [DEFAULT_RECONCILE_REGEX]
DEFAULTS += [each.regex for each in DEFAULT_CLASSIFIERS] + [each.regex for each in DEFAULT_CONVERTERS]
ORDINARY = [
    *DEFAULTS,
    r"^\+?1?\d{10}$|^\+[2-9]\d{7,}$|^011\d{5,}$|^00\d{5,}$",
    r"(\d{10})$",
    r".*(\d{7})$",
    r"^.*?(\d{10})$",
    r"^\+?(\d+)",
    r"\d+",
    r"^0(\d{9})$",
    r"^(?:\+|00)?44(\d{10})$",
    r"^(\d+)\*(\d+)$",
    r"^[+]?[0-9]{1,15}$",
    r"(?i)^sip:(\d+)@.*$",
    r"^(?:\d{3}-?)*$",
    r"^(?=\d)\d{3,}$",
    r"^(?!911$)(\d{3})$",
    r"^(a)?(?(1)b|c)\d{4}$",
]
WITHOUT_BOUND = [
    r"(\d+)*$",
    r"^(\d+)+x",
    r"^(\d|\d\d)*$",
    r"^(?:a|ab|b)*$",
    r"^(.*#)*$",
    r"^(\d+#?)*$",
    r"^(\w+\s?)*$",
    r"^(\d*)*$",
    r"(x+x+)+y",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"^\d*\d*\d*\d*x",
    r"\d+.*\d+.*x",
    r"^(?:(?:\d{1,3}){1,30}){1,30}x",
    r"^(\d?){60}\d{60}$",
    r"^(?=(\d+)+$)\d",
    r"^(?:(?=\d*#)\d)*(?:(?=\d*#)\d)*(?:(?=\d*#)\d)*x",
    r"(?i)^(a|A)+$|(?:ab|AB)+(?:ab|AB)+(?:ab)+x",
    r"^(\d+)\1*\1*\1*x",
    r"^(?:(?:(?:^){255}){255}){255}x",
    r"(?:(?:(?:\b){255}){255}){255}x",
    r"(?:(?:(?:){255}){255}){255}x",
    r"^(?:(?:(?:$){255}){255}){255}x",
    r"^(?:(?:$){60000}){60000}x",
    r"(?:(?:(?:(?=\d)){255}){255}){255}x",
    r"^(\d?)(?:(?:(?:\1){255}){255}){255}x",
    "(?:" + r"\B" * 1900 + r"1)*x",
    "(?:" + "2?" * 1900 + r"1)*x",
    "(?:" + "".join(f"{each}a|" for each in range(900)) + r"1)*x",
]


@pytest.mark.parametrize("regex", ORDINARY)
def test_ordinary_patterns_are_taken(regex: str) -> None:
    compiled(regex, "a converter")


@pytest.mark.parametrize("regex", WITHOUT_BOUND)
def test_patterns_without_a_bound_are_refused(regex: str) -> None:
    with pytest.raises(ValueError, match=r"^a converter: .* could try too many ways .*: begin it with") as problem:
        compiled(regex, "a converter")
    assert "\n" not in str(problem.value)


def test_every_pattern_of_the_cases_is_taken() -> None:
    text = (Path(__file__).parents[2] / "cases" / "normalisation.json").read_text()
    found = set(re.findall(r'"((?:\^|\\\\)[^"]*)"', text))
    assert found, "the cases have patterns"
    for regex in found:
        compiled(json.loads(f'"{regex}"'), "a case")


def test_wherever_a_pattern_comes_from() -> None:
    wrong = r"^(\d+)+x"
    with pytest.raises(ValueError, match="too many ways"):
        Converter(wrong)
    with pytest.raises(ValueError, match="too many ways"):
        Classifier("a", wrong, "A", None)
    settings: list[dict[str, Any]] = [
        {"dial_plans": {"a": {"rules": [{"regex": wrong}]}}},
        {"number_manager": {"reconcile_regex": wrong}},
        {"number_manager": {"classifiers": {"a": wrong}}},
        {"number_manager": {"e164_converters": {wrong: {}}}},
    ]
    for setting in settings:
        with pytest.raises(SettingsError, match="too many ways"):
            Settings.load(None, **setting)


def test_clusters_document_gives_way_to_the_default() -> None:
    config, problems = read({"default": {"reconcile_regex": r"^(\d+)+x", "classifiers": {"did_us": r"(\d+)*$"}}})
    assert config.reconcile_regex == DEFAULT_RECONCILE_REGEX
    assert [each.regex for each in config.classifiers] == [
        each.regex for each in DEFAULT_CLASSIFIERS if each.name == "did_us"
    ]
    assert len(problems) == 2


def _adversarial() -> list[bytes]:
    runs = [each * MAX_TEXT_BYTES for each in (b"1", b"a", b"+", b"12", b"1#", b"ab", b"\n", b" ")]
    runs = [each[:MAX_TEXT_BYTES] for each in runs]
    return (
        runs + [each[:-1] + end for each in runs for end in (b"x", b"\n", b"!")] + [b"+" + each[:-1] for each in runs]
    )


TEXTS = _adversarial()


def _seconds(regex: bytes) -> float:
    """The processor's, of the worst text."""
    pattern = re.compile(regex)
    worst = 0.0
    for text in TEXTS:
        began = time.thread_time()
        pattern.search(text)
        worst = max(worst, time.thread_time() - began)
    return worst


def test_accepted_pattern_ends_soon() -> None:
    """Random patterns of the kinds that go wrong: where the bound were too low, one would take minutes."""
    pieces = [r"\d", "1", "a", ".", "[12]", "#", "x", "(?:1|a)", "(?:11|1)", r"(?=\d*x)", r"\w"]
    counts = ["", "", "*", "+", "?", "{1,3}", "*?", "{2,}", "{3}"]
    chance = random.Random(14)
    taken, count = 0, examples(3000)
    for _ in range(count):
        parts = [chance.choice(pieces) + chance.choice(counts) for _ in range(chance.randint(1, 5))]
        if chance.random() < 0.6:
            begin = chance.randrange(len(parts))
            parts[begin:] = [f"({''.join(parts[begin:])}){chance.choice(counts)}"]
        regex = (chance.choice(["", "^"]) + "".join(parts) + chance.choice(["", "$", "x", "[xy]"])).encode()
        if max_steps(regex) <= MAX_STEPS:
            taken += 1
            assert _seconds(regex) < 0.5, regex
    assert taken > count // 10


def test_two_repetitions_that_take_the_same_are_bounded_and_three_are_not() -> None:
    two, three = (max_steps(b"^" + b".*" * count + b"[xy]") for count in (2, 3))
    assert two <= MAX_STEPS < three
