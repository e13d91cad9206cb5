"""Regexes, dial plans and the cluster's number_manager settings: what operators write.

A regex is refused with its owner's name, or no text of the longest length holds it up.
"""

import re
import time
import warnings
from contextlib import suppress

import orjson

from router.numbers import rules
from router.numbers.dial_plans import Converter
from router.numbers.normaliser import Normaliser
from router.numbers.patterns import compiled
from router.numbers.regex_cost import MAX_TEXT_BYTES
from router.numbers.rules import PlanSpec
from tests.fuzz.source import parts, text
from tests.fuzz.target import Target

_SLOW = 0.5
"""Seconds of the processor's, a hundred times what MOST_STEPS should take."""

warnings.simplefilter("ignore")  # Python's about odd regexes are not ours to judge


def check(data: bytes) -> None:
    """A regex, its affixes and a number to read; and a number_manager document's `default`, as JSON."""
    raw, prefix, suffix, number, section = parts(data, 5)
    regex, dialled = text(raw), text(number)
    if (pattern := _accepted(regex)) is not None:
        _ends_soon(pattern, dialled)
        converter = Converter(regex, text(prefix), text(suffix), "ours")
        converted = converter.convert(dialled)
        assert converted is None or len(converted) <= len(prefix) + len(suffix) + 3 * len(number)
        _reconciles(regex, dialled)
    if section:
        _built(_section(section), regex, dialled)


def _accepted(regex: str) -> re.Pattern[bytes] | None:
    try:
        return compiled(regex, "ours")
    except ValueError as problem:
        assert str(problem).startswith("ours: "), "it says whose it is"
        return None


def _ends_soon(pattern: re.Pattern[bytes], dialled: str) -> None:
    octets = dialled.encode() or b"1"
    once = (octets * MAX_TEXT_BYTES)[:MAX_TEXT_BYTES]
    for each in (
        octets[:MAX_TEXT_BYTES],
        once,
        once[:-1] + b"x",
        once[:-1] + b"\n",
        b"1" * (MAX_TEXT_BYTES - 1) + b"!",
        b"+" + once,
    ):
        began = time.thread_time()
        pattern.search(each[:MAX_TEXT_BYTES])
        assert time.thread_time() - began < _SLOW, "it holds up every call"


def _reconciles(regex: str, dialled: str) -> None:
    normaliser = Normaliser({}, reconcile_regex=regex)
    for each in (dialled, "+14158867900"):
        reported = normaliser.explain(each)
        assert normaliser.e164(each) == (reported.number, reported.reconcilable)


def _section(raw: bytes) -> dict[str, object]:
    with suppress(orjson.JSONDecodeError):
        result = orjson.loads(raw)
        if isinstance(result, dict):
            return result
    return {}


def _built(section: dict[str, object], regex: str, dialled: str) -> None:
    """The cluster's document never stops anything: what can't be used gives way, and is told."""
    try:
        plan = {"ours": PlanSpec((Converter(regex, "+1"),), region="GB")}
    except ValueError:
        plan = {}
    made = rules.build(section, plans=plan)
    assert all(warning.isprintable() for warning in made.warnings)
    for name in ("", *plan):
        reported = made.normaliser.explain(dialled, name)
        assert made.normaliser.e164(dialled, name) == (reported.number, reported.reconcilable)


TARGET = Target(
    "dial_plans",
    check,
    dictionary=(
        "\\d",
        "(?:",
        "(?=",
        "(?!",
        "(?<=",
        "(?P<a>",
        "(?(1)",
        "(?i)",
        "(?L)",
        "(?>",
        "{1,3}",
        "*?",
        "++",
        "\\1",
        "[^",
        "[:digit:]",
        "^(\\+?1)?([2-9][0-9]{2})$",
        b"\0",
        b"\0\0\0",
        '{"reconcile_regex":"',
        '"e164_converters":{"',
        '"classifiers":{"did_us":',
        '"prefix":"+1"',
        '"pretty_print"',
        '"features":{"allow":[',
        '"released_state":"aging"',
        '"aging_expiry_d":90',
        '"carrier_modules":["knm_local"]',
    ),
    longest=1024,
)
