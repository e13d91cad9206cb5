"""Normalisation: from a switch's number to E.164, and whether that can be looked up."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from router.numbers import national, shards
from router.numbers.classifiers import DEFAULT_CLASSIFIERS, Classifier, classify
from router.numbers.dial_plans import KAZOO, SYSTEM, DialPlan, convert
from router.numbers.patterns import compiled
from router.numbers.uri import clean, is_plain, shortened

DEFAULT_RECONCILE_REGEX = r"^(\+?1)?\d{10}$|^\+[2-9]\d{7,}$|^011\d*$|^00\d*$"
"""KAZOO's `number_manager.reconcile_regex`."""

MAX_NUMBER_BYTES = 256
"""UTF-8 bytes of a number, before and after normalisation; of a URI its host and other parameters do not count."""

CACHED_RESULTS = 32_768
"""Results in the cache: 11 MB of ordinary numbers, at most 43 MB of the longest texts."""

_EXACT = r"\+[1-9][0-9]{7,14}"


class UnknownDialPlanError(ValueError):
    """The requested dial plan isn't configured."""


class LookupNumber(NamedTuple):
    """A number for a lookup: E.164, and whether it may be looked up."""

    number: str
    reconcilable: bool


@dataclass(frozen=True, slots=True)
class NormalisationResult:
    """A normalised number, and the steps that led to it.

    Attributes:
        input: the original text.
        number: E.164, or the unchanged input where it isn't a number.
        rule: the deciding step: `e164` (exact already), `plus` (KAZOO's shortcut), `converter 1`,
            `dial plan 2`, a rule's own name, `phonenumbers GB`, `phonenumbers` (a trunk prefix note
            or a context), `cleaned`, `unchanged`, `too long`.
        reconcilable: whether it may be looked up.
        classification: the classifier's name, or None.
        database: the shard's decoded name; None where the number isn't reconcilable, or has no legal shard.
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
    """Normalises under one of several dial plans, and caches results. Thread-safe.

    Args:
        plans: by name; `system` and `kazoo` always exist.
        reconcile_regex: matches the numbers that may be looked up (KAZOO's `reconcile_regex`).
        classifiers: in the order in which they decide.
        remembered: size of the cache, in results.

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
        """The names of all dial plans, sorted."""
        return tuple(sorted(self._plans))

    def e164(self, text: str, plan: str = "") -> LookupNumber:
        """Normalise on the hit path.

        Args:
            text: the switch's number.
            plan: the dial plan's name; empty for the system's.

        Raises:
            UnknownDialPlanError: there is no such plan.
        """
        if self._is_exact(text) and (not plan or plan in self._plans):
            return LookupNumber._make((text, True))  # keyword arguments would cost half as much again
        if len(text) > MAX_NUMBER_BYTES and len(text := shortened(text)) > MAX_NUMBER_BYTES:
            self._plan(plan)
            return LookupNumber(text, reconcilable=False)  # before it becomes a key of the cache
        return self._target_of(text, plan or "system")

    def explain(self, text: str, plan: str = "") -> NormalisationResult:
        """Normalise, and describe each step.

        Args:
            text: the switch's number.
            plan: the dial plan's name; empty for the system's.

        Raises:
            UnknownDialPlanError: there is no such plan.
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
        if is_too_long(text) and is_too_long(text := shortened(text)):
            return text, "too long"
        if plan.cleans:
            return _cleaned_first(text, plan)
        return _converted(text, plan)

    def _is_reconcilable(self, number: str) -> bool:
        if not number or not is_plain(number) or len(number) > MAX_NUMBER_BYTES:
            return False
        return self._reconciles(number.encode()) is not None


def _exact_matcher(reconcile_regex: str) -> Callable[[str], object]:
    """Return a matcher for exact E.164 numbers that the reconcile regex accepts, in one regex where possible."""
    octets = reconcile_regex.encode("utf-8", "replace")
    try:
        # One character for each byte, so that `é*` repeats the same byte as in `compiled`.
        both = re.compile(rf"(?={_EXACT}\Z)(?s:.*?)(?:{octets.decode('latin-1')})", re.ASCII)
    except (re.error, ValueError):  # global flags at its beginning, or flags for bytes only
        finds = re.compile(octets).search
        return lambda text: re.fullmatch(_EXACT, text) and finds(text.encode())
    return both.match


def is_too_long(text: str) -> bool:
    """Return whether a number has more than MAX_NUMBER_BYTES bytes, and so is not normalised."""
    return len(text) > MAX_NUMBER_BYTES or len(text.encode("utf-8", "replace")) > MAX_NUMBER_BYTES


def _database(number: str) -> str | None:
    name = shards.shard_for(number)
    return name if name and shards.is_legal(name) else None


def _cleaned_first(text: str, plan: DialPlan) -> tuple[str, str]:
    if not is_plain(text):
        return text, "unchanged"
    cleaned = clean(text)
    if cleaned is None:  # no dial string, but an operator's own converter may match it
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
