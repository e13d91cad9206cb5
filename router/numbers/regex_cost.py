"""Upper bound of a regular expression's cost, so that patterns with catastrophic backtracking are refused when read.

Python's engine tries every way in which a pattern can match before it fails. This module bounds the number of ways from
the pattern alone, and never underestimates it. A repetition whose follower can't begin with a repeated character has
one way to end. Any other repetition has as many ways as the text has positions. Nested free repetitions have no useful
bound. docs/decisions/judging-regular-expressions.md compares this with RE2.
"""

import importlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from math import comb
from typing import Any, NamedTuple

MAX_TEXT_BYTES = 256
"""Bytes of the longest text that a pattern is searched in."""
MAX_STEPS = 100_000
"""About two milliseconds: 33,000 steps (two free repetitions of the same characters) took 0.7 ms."""

_parser: Any = importlib.import_module("re._parser")
_ALL = (1 << 256) - 1
_NEWLINE = 1 << 10
_SHORT = 16
"""Characters whose comparison costs about as much as one step."""
_ENOUGH = 10**12
_IDLE = {"AT", "ASSERT", "ASSERT_NOT", "GROUPREF", "GROUPREF_EXISTS"}
_CLASSES = {
    "CATEGORY_DIGIT": rb"\d",
    "CATEGORY_NOT_DIGIT": rb"\D",
    "CATEGORY_SPACE": rb"\s",
    "CATEGORY_NOT_SPACE": rb"\S",
    "CATEGORY_WORD": rb"\w",
    "CATEGORY_NOT_WORD": rb"\W",
}

Items = Sequence[tuple[Any, Any]]


class Ways(NamedTuple):
    """The number of ways in which a part can match from one position.

    Attributes:
        times: a constant factor.
        free: number of repetitions that may end at any position.
        scans: whether each way reads through the text.
    """

    times: int = 1
    free: int = 0
    scans: bool = False

    def then(self, other: "Ways") -> "Ways":
        """Return the ways of both parts in sequence."""
        return Ways(min(self.times * other.times, _ENOUGH), self.free + other.free, self.scans or other.scans)


class First(NamedTuple):
    """The bytes that a part can begin with, as bits; `empty` where it can also match the empty string."""

    octets: int
    empty: bool


def max_steps(regex: bytes) -> int:
    """Return an upper bound for the steps of one search in a text of MAX_TEXT_BYTES bytes.

    Args:
        regex: one that `re.compile` accepts.

    Returns:
        The bound; a very large number where there is none.
    """
    tree = _parser.parse(regex)
    flags = int(tree.state.flags)
    ways = _sequence(tree, 0, flags)
    places = ways.free + ways.scans + (not _is_anchored(tree, flags))
    if ways.times >= _ENOUGH or places >= _SHORT:
        return _ENOUGH
    return ways.times * comb(MAX_TEXT_BYTES + places, places) * (1 + _idle(tree) // _SHORT)


def _idle(items: Items) -> int:
    """Return the number of parts that can be tried at one position without consuming text."""
    return sum(_idle_in(str(name), operand) for name, operand in items)


def _idle_in(name: str, operand: Any) -> int:
    if name.endswith("_REPEAT"):
        return int(operand[0] == 0) + _idle(operand[2])
    branches = _branches(name, operand)
    own = len(branches) if name == "BRANCH" else name in _IDLE
    return own + sum(_idle(each) for each in branches)


def _sequence(items: Items, follow: int, flags: int) -> Ways:
    """Return the ways of a sequence, from its last item: the follower decides whether a repetition is free.

    Args:
        items: of the parsed pattern.
        follow: the bytes that the follower can begin with, as bits; none where the match is complete.
        flags: of `re`.
    """
    ways = Ways()
    for item in reversed(list(items)):
        ways = _item(item, follow, flags).then(ways)
        first = _first_of(item, flags)
        follow = first.octets | (follow if first.empty else 0)
    return ways


def _item(item: tuple[Any, Any], follow: int, flags: int) -> Ways:
    name, operand = str(item[0]), item[1]
    if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        return _repetition(operand, follow, flags, possessive=name.startswith("POSS"))
    if name == "GROUPREF":
        return Ways(scans=True)
    branches = _branches(name, operand)
    inner_flags = _flags_in(name, operand, flags)
    if name in {"ASSERT", "ASSERT_NOT"}:
        ways = _either([(each, inner_flags) for each in branches], 0)
        # It reads text that it does not consume, so that an enclosing repetition reads it again.
        return ways._replace(free=ways.free + ways.scans, scans=False)
    return _either([(each, inner_flags) for each in branches], follow)


def _either(branches: Sequence[tuple[Items, int]], follow: int) -> Ways:
    """Return the ways of alternatives; those with different first bytes exclude each other."""
    if not branches:
        return Ways()
    each = [_sequence(items, follow, flags) for items, flags in branches]
    firsts = [_follow_of(items, follow, flags) for items, flags in branches]
    disjoint = sum(first.bit_count() for first in firsts) == reduce(int.__or__, firsts).bit_count()
    times = [ways.times for ways in each]
    return Ways(
        max(times) if disjoint else min(sum(times), _ENOUGH),
        max(ways.free for ways in each),
        any(ways.scans for ways in each),
    )


def _repetition(operand: tuple[int, Any, Any], follow: int, flags: int, *, possessive: bool) -> Ways:
    minimum, maximum, body = operand[0], min(int(operand[1]), MAX_TEXT_BYTES), operand[2]
    first = _first(body, flags)
    is_empty = body.getwidth()[0] == 0  # an anchor, a lookaround: the text does not bound its repetitions
    inner = _sequence(body, (first.octets if maximum > 1 else 0) | follow, flags)
    endless = maximum == MAX_TEXT_BYTES
    if endless and (inner.times > 1 or inner.free or is_empty):
        return Ways(_ENOUGH)
    one_way = minimum == maximum or possessive or not (first.empty or first.octets & follow)
    if endless and not one_way:
        return Ways(1, 1, inner.scans)
    once_through = Ways(min(inner.times**maximum, _ENOUGH), inner.free * maximum, inner.scans or maximum > _SHORT)
    if is_empty:
        once_through = once_through.then(Ways(max(maximum, 1)))
    return once_through if one_way else once_through.then(Ways(maximum - minimum + 1))


def _first(items: Items, flags: int) -> First:
    octets = 0
    for item in items:
        first = _first_of(item, flags)
        octets |= first.octets
        if not first.empty:
            return First(octets, empty=False)
    return First(octets, empty=True)


def _follow_of(items: Items, follow: int, flags: int) -> int:
    first = _first(items, flags)
    return first.octets | (follow if first.empty else 0)


def _first_of(item: tuple[Any, Any], flags: int) -> First:
    name, operand = str(item[0]), item[1]
    if name == "AT":
        return _END.get(str(operand), First(0, empty=True))
    if name in _OCTETS:
        return First(_folded(_OCTETS[name](operand, flags)), empty=False)
    if name.endswith("_REPEAT"):
        first = _first(operand[2], flags)
        return First(first.octets, empty=first.empty or operand[0] == 0)
    branches = [] if name in {"ASSERT", "ASSERT_NOT"} else _branches(name, operand)
    if not branches:  # a lookaround, or a backreference: the next byte is unknown
        return First(_ALL if name == "GROUPREF" else 0, empty=True)
    firsts = [_first(each, _flags_in(name, operand, flags)) for each in branches]
    return First(reduce(int.__or__, (each.octets for each in firsts)), empty=any(each.empty for each in firsts))


_END = {"AT_END": First(_NEWLINE, empty=False), "AT_END_STRING": First(0, empty=False)}
"""First bytes after an end anchor: none, or a final line feed."""


def _branches(name: str, operand: Any) -> list[Items]:
    """Return the contents of a group, an alternative, a conditional or a lookaround."""
    match name:
        case "SUBPATTERN":
            return [operand[3]]
        case "ATOMIC_GROUP":
            return [operand]
        case "BRANCH":
            return list(operand[1])
        case "ASSERT" | "ASSERT_NOT":
            return [operand[1]]
        case "GROUPREF_EXISTS":
            return [operand[1], operand[2] or []]
    return []


def _flags_in(name: str, operand: Any, flags: int) -> int:
    return (flags | operand[1]) & ~operand[2] if name == "SUBPATTERN" else flags


def _is_anchored(items: Items, flags: int) -> bool:
    """Return whether a sequence can match only at the beginning of the text."""
    for item in items:
        name, operand = str(item[0]), item[1]
        if name == "AT":
            return str(operand) == "AT_BEGINNING_STRING" or (
                str(operand) == "AT_BEGINNING" and not flags & re.MULTILINE
            )
        branches = _branches(name, operand) if name in {"SUBPATTERN", "BRANCH", "ATOMIC_GROUP"} else []
        inner = _flags_in(name, operand, flags)
        return bool(branches) and all(_is_anchored(each, inner) for each in branches)
    return False


def _bits(octets: Iterable[int]) -> int:
    return reduce(lambda bits, octet: bits | 1 << octet, octets, 0)


def _literal(operand: int, _: int) -> int:
    return 1 << operand


def _not_literal(operand: int, _: int) -> int:
    return _ALL & ~(1 << operand)


def _any(_: None, flags: int) -> int:
    return _ALL if flags & re.DOTALL else _ALL & ~_NEWLINE


def _in(operand: Items, _: int) -> int:
    negated = bool(operand) and str(operand[0][0]) == "NEGATE"
    bits = reduce(int.__or__, (_member(str(name), value) for name, value in operand), 0)
    return _ALL & ~bits if negated else bits


def _member(name: str, value: Any) -> int:
    match name:
        case "LITERAL":
            return 1 << int(value)
        case "RANGE":
            return _bits(range(value[0], value[1] + 1))
        case "CATEGORY":
            return _CATEGORIES[str(value)]
    return 0


_OCTETS: dict[str, Callable[[Any, int], int]] = {
    "LITERAL": _literal,
    "NOT_LITERAL": _not_literal,
    "ANY": _any,
    "IN": _in,
}
_CATEGORIES = {
    name: _bits(octet for octet in range(256) if re.match(regex, bytes([octet]))) for name, regex in _CLASSES.items()
}


def _folded(bits: int) -> int:
    """Return the bytes with both cases of each letter, even where case counts: an overestimate is safe."""
    for small, capital in zip(range(97, 123), range(65, 91), strict=True):
        if bits >> small & 1 or bits >> capital & 1:
            bits |= 1 << small | 1 << capital
    return bits
