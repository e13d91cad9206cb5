"""How long a regular expression can take at most: those that backtrack without bound are refused where they are read.

Python's engine tries every way in which a pattern can match before it gives up. The number of these ways is bounded
here from the pattern alone, never too low: a repetition that must stop where it does, because what follows can't
begin with what it repeats, has one way; others have as many as the text has places, and one inside another has no
bound worth the name.
"""

import importlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from math import comb
from typing import Any, NamedTuple

LONGEST = 256
"""Bytes of the texts that patterns meet."""
MOST_STEPS = 100_000
"""About two milliseconds: 33,000 steps, two repetitions that take the same, were measured as 0.7."""

_parser: Any = importlib.import_module("re._parser")
_ALL = (1 << 256) - 1
_NEWLINE = 1 << 10
_SHORT = 16
"""Characters that are compared in no time."""
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
    """In how many ways something can match from one place.

    Attributes:
        times: a plain factor.
        free: repetitions that may end anywhere.
        scans: something runs over the text once for each way.
    """

    times: int = 1
    free: int = 0
    scans: bool = False

    def then(self, other: "Ways") -> "Ways":
        """Both, one after the other."""
        return Ways(min(self.times * other.times, _ENOUGH), self.free + other.free, self.scans or other.scans)


class First(NamedTuple):
    """The bytes, as bits, that something can begin with; `empty` when it can also match nothing."""

    octets: int
    empty: bool


def most_steps(regex: bytes) -> int:
    """An upper bound for one search in a text of LONGEST bytes; beyond counting it is very large.

    Args:
        regex: one that `re.compile` takes.
    """
    tree = _parser.parse(regex)
    flags = int(tree.state.flags)
    ways = _sequence(tree, 0, flags)
    places = ways.free + ways.scans + (not _is_anchored(tree, flags))
    if ways.times >= _ENOUGH or places >= _SHORT:
        return _ENOUGH
    return ways.times * comb(LONGEST + places, places) * (1 + _idle(tree) // _SHORT)


def _idle(items: Items) -> int:
    """How many of its parts can be tried at one place without going on in the text."""
    return sum(_idle_in(str(name), what) for name, what in items)


def _idle_in(name: str, what: Any) -> int:
    if name.endswith("_REPEAT"):
        return int(what[0] == 0) + _idle(what[2])
    branches = _branches(name, what)
    own = len(branches) if name == "BRANCH" else name in _IDLE
    return own + sum(_idle(each) for each in branches)


def _sequence(items: Items, follow: int, flags: int) -> Ways:
    """From its last item to its first, since what follows decides whether a repetition is free.

    Args:
        follow: the bytes that what comes after can begin with; none where the match is complete.
    """
    ways = Ways()
    for item in reversed(list(items)):
        ways = _item(item, follow, flags).then(ways)
        first = _first_of(item, flags)
        follow = first.octets | (follow if first.empty else 0)
    return ways


def _item(item: tuple[Any, Any], follow: int, flags: int) -> Ways:
    name, what = str(item[0]), item[1]
    if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        return _repetition(what, follow, flags, possessive=name.startswith("POSS"))
    if name == "GROUPREF":
        return Ways(scans=True)
    branches = _branches(name, what)
    inner_flags = _flags_in(name, what, flags)
    if name in {"ASSERT", "ASSERT_NOT"}:
        ways = _either([(each, inner_flags) for each in branches], 0)
        # It runs over text that it does not take, so that whatever repeats it runs over it again.
        return ways._replace(free=ways.free + ways.scans, scans=False)
    return _either([(each, inner_flags) for each in branches], follow)


def _either(branches: Sequence[tuple[Items, int]], follow: int) -> Ways:
    """Branches that begin differently exclude each other."""
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


def _repetition(what: tuple[int, Any, Any], follow: int, flags: int, *, possessive: bool) -> Ways:
    least, most, body = what[0], min(int(what[1]), LONGEST), what[2]
    first = _first(body, flags)
    takes_nothing = body.getwidth()[0] == 0  # an end, a look around: its turns are not bounded by the text
    inner = _sequence(body, (first.octets if most > 1 else 0) | follow, flags)
    endless = most == LONGEST
    if endless and (inner.times > 1 or inner.free or takes_nothing):
        return Ways(_ENOUGH)
    one_way = least == most or possessive or not (first.empty or first.octets & follow)
    if endless and not one_way:
        return Ways(1, 1, inner.scans)
    once_through = Ways(min(inner.times**most, _ENOUGH), inner.free * most, inner.scans or most > _SHORT)
    if takes_nothing:
        once_through = once_through.then(Ways(max(most, 1)))
    return once_through if one_way else once_through.then(Ways(most - least + 1))


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
    name, what = str(item[0]), item[1]
    if name == "AT":
        return _END.get(str(what), First(0, empty=True))
    if name in _OCTETS:
        return First(_folded(_OCTETS[name](what, flags)), empty=False)
    if name.endswith("_REPEAT"):
        first = _first(what[2], flags)
        return First(first.octets, empty=first.empty or what[0] == 0)
    branches = [] if name in {"ASSERT", "ASSERT_NOT"} else _branches(name, what)
    if not branches:  # a look around, or a group met again: nothing is known of what comes
        return First(_ALL if name == "GROUPREF" else 0, empty=True)
    firsts = [_first(each, _flags_in(name, what, flags)) for each in branches]
    return First(reduce(int.__or__, (each.octets for each in firsts)), empty=any(each.empty for each in firsts))


_END = {"AT_END": First(_NEWLINE, empty=False), "AT_END_STRING": First(0, empty=False)}
"""At an end nothing more can come, or a last line feed."""


def _branches(name: str, what: Any) -> list[Items]:
    """What is inside of a group, an alternative, a condition or a look around."""
    match name:
        case "SUBPATTERN":
            return [what[3]]
        case "ATOMIC_GROUP":
            return [what]
        case "BRANCH":
            return list(what[1])
        case "ASSERT" | "ASSERT_NOT":
            return [what[1]]
        case "GROUPREF_EXISTS":
            return [what[1], what[2] or []]
    return []


def _flags_in(name: str, what: Any, flags: int) -> int:
    return (flags | what[1]) & ~what[2] if name == "SUBPATTERN" else flags


def _is_anchored(items: Items, flags: int) -> bool:
    """Whether it can only match at the beginning of the text."""
    for item in items:
        name, what = str(item[0]), item[1]
        if name == "AT":
            return str(what) == "AT_BEGINNING_STRING" or (str(what) == "AT_BEGINNING" and not flags & re.MULTILINE)
        branches = _branches(name, what) if name in {"SUBPATTERN", "BRANCH", "ATOMIC_GROUP"} else []
        inner = _flags_in(name, what, flags)
        return bool(branches) and all(_is_anchored(each, inner) for each in branches)
    return False


def _bits(octets: Iterable[int]) -> int:
    return reduce(lambda bits, octet: bits | 1 << octet, octets, 0)


def _literal(what: int, _: int) -> int:
    return 1 << what


def _not_literal(what: int, _: int) -> int:
    return _ALL & ~(1 << what)


def _any(_: None, flags: int) -> int:
    return _ALL if flags & re.DOTALL else _ALL & ~_NEWLINE


def _in(what: Items, _: int) -> int:
    negated = bool(what) and str(what[0][0]) == "NEGATE"
    bits = reduce(int.__or__, (_member(str(name), value) for name, value in what), 0)
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
    """With both cases of each letter, whether or not case counts: more is on the safe side."""
    for small, capital in zip(range(97, 123), range(65, 91), strict=True):
        if bits >> small & 1 or bits >> capital & 1:
            bits |= 1 << small | 1 << capital
    return bits
