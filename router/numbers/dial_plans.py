"""Dial plans and KAZOO's converters: regexes that turn dialled digits into E.164."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Pattern

import phonenumbers

from router.numbers.patterns import compiled, last_capture


@dataclass(frozen=True, slots=True)
class Converter:
    """One rule: the regex's last capture between a prefix and a suffix.

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
        """Return the converted text; None where the regex is not found in it."""
        match = self.pattern.search(text.encode("utf-8", "replace"))
        if match is None:
            return None
        return self.prefix + last_capture(match).decode("utf-8", "replace") + self.suffix


DEFAULT_CONVERTERS: tuple[Converter, ...] = (
    Converter(r"^(\+?1)?([2-9][0-9]{2}[2-9][0-9]{6})$", prefix="+1"),  # North America, with or without 1
    Converter(r"^011(\d{5,})$|^00(\d{5,})$", prefix="+"),  # an international prefix
    Converter(r"^[2-9]\d{7,}$", prefix="+"),  # a country code without its prefix
)
"""KAZOO's converters in KAZOO's order (`number_manager.e164_converters`)."""


@dataclass(frozen=True, slots=True)
class DialPlan:
    """A dial plan: the steps from dialled digits to E.164.

    Args:
        name: used by callers and operators.
        rules: tried first; the result of the first match continues to the converters, even with a "+".
        converters: the system's or the account's. The third default converter takes eight or more digits for an
            international number: a plan for a country without a trunk prefix needs converters of its own, or none.
        cleans: whether URI parts and visual separators are removed first.
        region: ISO 3166 code of the country whose national numbers `phonenumbers` parses, where neither rules nor
            converters result in a number with "+".

    Raises:
        ValueError: `phonenumbers` does not know the region.
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
"""The default: cleaning, then KAZOO's converters."""


def converters_of(rules: Mapping[str, object], owner: str) -> tuple[Converter, ...]:
    """Read converters or dial plan rules of KAZOO's documents.

    Args:
        rules: regex to `{"prefix": ..., "suffix": ..., "name": ...}`, in the order of the keys.
        owner: for the message, such as `dial plan 'uk'`.

    Raises:
        ValueError: an unusable rule; the message names the owner and the rule.
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
    compiled(regex, owner)  # here the message can name the owner
    return Converter(regex, **texts)


def convert(text: str, plan: DialPlan, *, plus_shortcut: bool = True) -> tuple[str, str]:
    """Apply a plan's rules, then its converters, as KAZOO does, without cleaning or validation.

    Args:
        text: the number as dialled.
        plan: its rules and converters are used.
        plus_shortcut: leave a text with a leading "+" unchanged (KAZOO's `normalize/3` doesn't).

    Returns:
        The number, and the id of the deciding step: `plus`, `dial plan 2`, `converter 1`, a rule's own name, several
        joined by ` + `, or empty for no change.
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
