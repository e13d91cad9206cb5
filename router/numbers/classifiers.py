"""Classification of normalised numbers, and their display format."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from re import Pattern

from router.numbers.patterns import compiled

_NORTH_AMERICAN = "SS(###) ### - ####"


@dataclass(frozen=True, slots=True)
class Classifier:
    """A class of numbers. In a table of classifiers the first match decides.

    Args:
        name: its id, such as `did_us`.
        regex: searched in the normalised number.
        friendly_name: for people.
        pretty_print: display format (see the function of that name); None leaves the number unchanged.
        emergency: whether calls to it are emergency calls.

    Raises:
        ValueError: the regex can't be used.
    """

    name: str
    regex: str
    friendly_name: str
    pretty_print: str | None
    emergency: bool = False
    pattern: Pattern[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", compiled(self.regex, f"classifier {self.name!r}"))


_CARIBBEAN = "684|264|268|242|246|441|284|345|767|809|829|849|473|671|876|664|670|787|939|869|758|784|721|868|649|340"

DEFAULT_CLASSIFIERS: tuple[Classifier, ...] = (
    Classifier(
        "tollfree_us",
        r"^\+1((?:800|88\d|877|866|855|844|833|822)\d{7})$",
        "US TollFree",
        _NORTH_AMERICAN,
    ),
    Classifier("toll_us", r"^\+1(900\d{7})$", "US Toll", _NORTH_AMERICAN),
    Classifier("emergency", "^(911|922|933|833|811|711|999)$", "Emergency Dispatcher", None, emergency=True),
    Classifier("caribbean", rf"^\+?1((?:{_CARIBBEAN})\d{{7}})$", "Caribbean", _NORTH_AMERICAN),
    Classifier("did_us", r"^(\+?1)?([2-9][0-9]{2}[2-9][0-9]{6})$", "US DID", _NORTH_AMERICAN),
    Classifier("international", r"^\+([2-9]\d{7,})$", "International", None),
    Classifier("unknown", "^(.*)$", "Unknown", None),
)
"""KAZOO's classifiers in its code's order: `did_us` before `tollfree_us` would take every 800 number."""


def classify(number: str, classifiers: tuple[Classifier, ...] = DEFAULT_CLASSIFIERS) -> str | None:
    """Return the name of the first classifier that matches a normalised number; None for no match."""
    octets = number.encode("utf-8", "replace")
    for classifier in classifiers:
        if classifier.pattern.search(octets):
            return classifier.name
    return None


def pretty_print(number: str, template: str | None) -> str:
    r"""Format a number for display.

    Args:
        number: normalised.
        template: `S` skips a character, `#` writes one, `*` writes the rest; `\S`, `\#`, `\*` and all other characters
            stand for themselves. None leaves the number unchanged.
    """
    if template is None:
        return number
    left = iter(number)
    marks = iter(template)
    return "".join(_written(mark, marks, left) for mark in marks)


def _written(mark: str, marks: Iterator[str], left: Iterator[str]) -> str:
    match mark:
        case "\\":
            return next(marks, "\\")
        case "S":
            next(left, "")
            return ""
        case "#":
            return next(left, "")
        case "*":
            return "".join(left)
    return mark
