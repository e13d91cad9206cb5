"""From a number as the switch has it to E.164, and whether that can be looked up."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from router.numbers import national, shards
from router.numbers.classifiers import DEFAULT_CLASSIFIERS, Classifier, classify
from router.numbers.dial_plans import KAZOO, SYSTEM, DialPlan, convert
from router.numbers.patterns import compiled
from router.numbers.uri import clean, is_plain

DEFAULT_RECONCILE_REGEX = r"^(\+?1)?\d{10}$|^\+[2-9]\d{7,}$|^011\d*$|^00\d*$"
"""KAZOO's `number_manager.reconcile_regex`."""

MAX_NUMBER_BYTES = 256
"""UTF-8 bytes that a number may have, as given and as normalised."""

CACHED_RESULTS = 32_768
"""Results kept: 11 MB of ordinary numbers, at most 43 MB of the longest texts."""

_EXACT = r"\+[1-9][0-9]{7,14}"


class UnknownDialPlanError(ValueError):
    """A dial plan was asked for that isn't configured."""


class LookupNumber(NamedTuple):
    """What a lookup needs of a number: E.164, and whether it may be looked up."""

    number: str
    reconcilable: bool


@dataclass(frozen=True, slots=True)
class NormalisationResult:
    """A number, and how it came about.

    Attributes:
        input: the text as given.
        number: E.164, or the input unchanged where it isn't a number.
        rule: what decided: `e164` (exact already), `plus` (KAZOO's shortcut), `converter 1`,
            `dial plan 2`, a rule's own name, `phonenumbers GB`, `phonenumbers` (a trunk prefix note
            or a context), `cleaned`, `unchanged`, `too long`.
        reconcilable: whether it may be looked up.
        classification: the classifier's name, or None.
        database: the shard's decoded name; None where the number isn't reconcilable or no legal
            name comes of it.
        dial_plan: the plan that was used.
    """

    input: str
    number: str
    rule: str
    reconcilable: bool
    classification: str | None
    database: str | None
    dial_plan: str


class Normaliser:
    """Normalises under any of several dial plans, remembering what was costly. Thread-safe.

    Args:
        plans: by the name that callers use; `system` and `kazoo` exist anyway.
        reconcile_regex: what may be looked up, as KAZOO's `reconcile_regex`.
        classifiers: in the order in which they decide.
        remembered: how many results are kept.

    Raises:
        ValueError: the reconcile regex can't be used.
    """

    def __init__(
        self,
        plans: Mapping[str, DialPlan],
        *,
        reconcile_regex: str = DEFAULT_RECONCILE_REGEX,
        classifiers: tuple[Classifier, ...] = DEFAULT_CLASSIFIERS,
        remembered: int = CACHED_RESULTS,
    ) -> None:
        self._plans = {"system": SYSTEM, "kazoo": KAZOO, **plans}
        self._reconciles = compiled(reconcile_regex, "reconcile_regex").search
        self._is_exact = _exact_matcher(reconcile_regex)
        self._classifiers = classifiers
        self._target_of = lru_cache(maxsize=remembered)(self._target)

    @property
    def plan_names(self) -> tuple[str, ...]:
        """The dial plans that callers may name."""
        return tuple(sorted(self._plans))

    def e164(self, text: str, plan: str = "") -> LookupNumber:
        """Normalise, as fast as can be.

        Args:
            text: the number as the switch has it.
            plan: the dial plan's name; empty is the system's.

        Raises:
            UnknownDialPlan: there is no such plan.
        """
        if self._is_exact(text) and (not plan or plan in self._plans):
            return LookupNumber._make((text, True))  # keywords would cost half as much again
        if len(text) > MAX_NUMBER_BYTES:  # before it can become a key
            self._plan(plan)
            return LookupNumber(text, reconcilable=False)
        return self._target_of(text, plan or "system")

    def explain(self, text: str, plan: str = "") -> NormalisationResult:
        """Normalise, and tell everything about it.

        Args:
            text: the number as the switch has it.
            plan: the dial plan's name; empty is the system's.

        Raises:
            UnknownDialPlan: there is no such plan.
        """
        name = plan or "system"
        number, rule = self._normalise(text, self._plan(name))
        reconcilable = self._is_reconcilable(number)
        return NormalisationResult(
            input=text,
            number=number,
            rule=rule,
            reconcilable=reconcilable,
            classification=classify(number, self._classifiers),
            database=_database(number) if reconcilable else None,
            dial_plan=name,
        )

    def _plan(self, name: str) -> DialPlan:
        plan = self._plans.get(name or "system")
        if plan is None:
            known = ", ".join(self.plan_names)
            raise UnknownDialPlanError(f"there is no dial plan {name[:64]!r}: use one of {known}")
        return plan

    def _target(self, text: str, plan: str) -> LookupNumber:
        number, _ = self._normalise(text, self._plan(plan))
        return LookupNumber(number, self._is_reconcilable(number))

    def _normalise(self, text: str, plan: DialPlan) -> tuple[str, str]:
        if self._is_exact(text):
            return text, "e164"
        if is_too_long(text):
            return text, "too long"
        if plan.cleans:
            return _cleaned_first(text, plan)
        return _converted(text, plan)

    def _is_reconcilable(self, number: str) -> bool:
        if not number or not is_plain(number) or len(number) > MAX_NUMBER_BYTES:
            return False
        return self._reconciles(number.encode()) is not None


def _exact_matcher(reconcile_regex: str) -> Callable[[str], object]:
    """One regex for both: exact E.164, and what the reconcile regex finds in it."""
    octets = reconcile_regex.encode("utf-8", "replace")
    try:
        # A character for each byte, so that `é*` repeats what it repeats in `compiled`.
        both = re.compile(rf"(?={_EXACT}\Z)(?s:.*?)(?:{octets.decode('latin-1')})", re.ASCII)
    except (re.error, ValueError):  # it opens with flags for all of itself, or has some that only bytes may have
        finds = re.compile(octets).search
        return lambda text: re.fullmatch(_EXACT, text) and finds(text.encode())
    return both.match


def is_too_long(text: str) -> bool:
    """Whether a number has more than LONGEST bytes, and so is not normalised."""
    return len(text) > MAX_NUMBER_BYTES or len(text.encode("utf-8", "replace")) > MAX_NUMBER_BYTES


def _database(number: str) -> str | None:
    name = shards.shard_for(number)
    return name if name and shards.is_legal(name) else None


def _cleaned_first(text: str, plan: DialPlan) -> tuple[str, str]:
    if not is_plain(text):
        return text, "unchanged"
    cleaned = clean(text)
    if cleaned is None:  # no dial string, yet an operator's own converter may know it
        number, rule = _converted(text, plan)
        return number, "unchanged" if number == text else rule
    if cleaned.context:
        number_there = national.in_context(cleaned.text, cleaned.context)
        if number_there or not national.is_brief(cleaned.text):
            return _settled(text, number_there)
    number, rule = _converted(cleaned.text, plan)
    if cleaned.trunk_note and number.startswith("+"):
        return _settled(text, national.without_trunk_prefix(number))
    if rule == "unchanged" and number != text:
        return number, "cleaned"
    return number, rule


def _settled(text: str, number: str | None) -> tuple[str, str]:
    return (text, "unchanged") if number is None else (number, "phonenumbers")


def _converted(text: str, plan: DialPlan) -> tuple[str, str]:
    number, rule = convert(text, plan)
    if number.startswith("+") or plan.region is None:
        return number, rule or "unchanged"
    found = national.in_region(number, plan.region)
    if found is None:
        return number, rule or "unchanged"
    return found, " + ".join(filter(None, (rule, f"phonenumbers {plan.region}")))
