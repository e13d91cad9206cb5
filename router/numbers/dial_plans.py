"""Dial plans: how people who share a numbering habit write numbers, and KAZOO's converters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Pattern

import phonenumbers

from router.numbers.patterns import compiled, last_capture


@dataclass(frozen=True, slots=True)
class Converter:
    """One rule: what the regex captures last, between a prefix and a suffix.

    Raises:
        ValueError: the regex can't be used; the message says which one and what to do.
    """

    regex: str
    prefix: str = ""
    suffix: str = ""
    name: str = ""
    pattern: Pattern[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", compiled(self.regex, self.name or "converter"))

    def convert(self, text: str) -> str | None:
        """The converted text, or None when the regex doesn't match anywhere in it."""
        match = self.pattern.search(text.encode("utf-8", "replace"))
        if match is None:
            return None
        return self.prefix + last_capture(match).decode("utf-8", "replace") + self.suffix


DEFAULT_CONVERTERS: tuple[Converter, ...] = (
    Converter(r"^(\+?1)?([2-9][0-9]{2}[2-9][0-9]{6})$", prefix="+1"),  # North America, with or without 1
    Converter(r"^011(\d{5,})$|^00(\d{5,})$", prefix="+"),  # an international prefix
    Converter(r"^[2-9]\d{7,}$", prefix="+"),  # a country code without its prefix
)
"""KAZOO's own, in KAZOO's order (`number_manager.e164_converters`)."""


@dataclass(frozen=True, slots=True)
class DialPlan:
    """How to read the numbers of one numbering habit.

    Args:
        name: what callers and operators call it.
        rules: tried first; what the first match gives goes on to the converters, even with its "+".
        converters: the system's or the account's. The default third one takes eight digits or more
            for an international number: a plan for a country whose numbers are written without
            a trunk prefix wants converters of its own, or none.
        cleans: whether URI parts and visual separators are taken off first.
        region: ISO 3166 code of the country whose national numbers `phonenumbers` reads, where
            neither rules nor converters came to a number with "+".

    Raises:
        ValueError: the region isn't one that `phonenumbers` knows.
    """

    name: str
    rules: tuple[Converter, ...] = ()
    converters: tuple[Converter, ...] = DEFAULT_CONVERTERS
    cleans: bool = True
    region: str | None = None

    def __post_init__(self) -> None:
        if self.region is not None and self.region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(
                f"dial plan {self.name!r}: {self.region!r} is not a region: give the country's two letters, such as GB"
            )


KAZOO = DialPlan("kazoo", cleans=False)
"""KAZOO's converters exactly."""

SYSTEM = DialPlan("system")
"""The default: KAZOO's converters on what cleaning leaves."""


def converters_of(rules: Mapping[str, object], owner: str) -> tuple[Converter, ...]:
    """Read converters or dial plan rules as KAZOO's documents spell them.

    Args:
        rules: regex to `{"prefix": ..., "suffix": ..., "name": ...}`; the order of keys is the order.
        owner: what they belong to, such as `dial plan 'uk'`, for the message.

    Raises:
        ValueError: one of them can't be used; the message names the owner and the rule.
    """
    return tuple(
        _converter_of(regex, affixes, f"{owner}, rule {position}")
        for position, (regex, affixes) in enumerate(rules.items(), 1)
    )


def _converter_of(regex: str, affixes: object, owner: str) -> Converter:
    if not isinstance(affixes, Mapping):
        raise ValueError(f"{owner}: {regex!r} must have an object such as {{'prefix': '+1'}}")  # noqa: TRY004
    texts = {key: affixes.get(key) or "" for key in ("prefix", "suffix", "name")}
    for key, text in texts.items():
        if not isinstance(text, str) or not text.isprintable():
            raise ValueError(f"{owner}: the {key} of {regex!r} must be printable text")
    compiled(regex, owner)  # here the owner is known, so that the message can name it
    return Converter(regex, **texts)


def convert(text: str, plan: DialPlan, *, plus_shortcut: bool = True) -> tuple[str, str]:
    """Apply a plan's rules, then its converters, as KAZOO does; nothing is cleaned or validated.

    Args:
        text: the number as dialled.
        plan: whose rules and converters to use.
        plus_shortcut: leave alone whatever begins with "+" (KAZOO's `normalize/3` doesn't).

    Returns:
        The number, and the id of what made it: `plus`, `dial plan 2`, `converter 1`, a rule's own
        name, several joined by ` + `, or empty when nothing changed it.
    """
    if plus_shortcut and text.startswith("+"):
        return text, "plus"
    after_rules, rule = _first_match(text, plan.rules, "dial plan")
    number, converter = _first_match(after_rules, plan.converters, "converter")
    if number == after_rules and rule:
        return number, rule
    return number, " + ".join(filter(None, (rule, converter)))


def _first_match(text: str, converters: tuple[Converter, ...], kind: str) -> tuple[str, str]:
    for position, converter in enumerate(converters, 1):
        converted = converter.convert(text)
        if converted is not None:
            return converted, converter.name or f"{kind} {position}"
    return text, ""
