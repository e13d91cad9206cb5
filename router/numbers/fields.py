"""Reading a document that anyone may have written by hand: never raising, noting what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby

MAX_ID_LENGTH = 32
"""Characters in an account id; KAZOO's are 32 hexadecimal ones."""

MAX_TEXT_LENGTH = 256
"""Characters in any other text that goes into an answer."""

_SHOWN = 40
_LATEST = 2**53
_UNSET = ("", "0", "NULL", "undefined")
_KINDS: dict[type, str] = {list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that is nothing to its reader, and why, in words."""

    reason: str


def is_unset(value: object) -> bool:
    """Whether KAZOO takes it for empty: null, "", "0", "NULL" or "undefined"."""
    return value is None or (isinstance(value, str) and value in _UNSET)


def is_true(value: object) -> bool:
    """KAZOO's truth: true or "true", and nothing else."""
    return value is True or value == "true"


def is_false(value: object) -> bool:
    """KAZOO's falsehood: false or "false", and nothing else."""
    return value is False or value == "false"


def is_visible(text: str) -> bool:
    """Whether it is ASCII without spaces and control characters."""
    return text.isascii() and text.isprintable() and " " not in text


def printable(text: str, limit: int = 64) -> str:
    """As much of an input as may be shown to people and logs."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[:limit])
    return shown + ("…" if len(text) > limit else "")


def shown(value: object) -> str:
    """A value in a few words, however large or odd it is."""
    if isinstance(value, str):
        return ascii(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!a}... ({len(value)} characters)"
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _short_number(value)
    return _KINDS.get(type(value), "something else")


def _short_number(value: float) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a huge number"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} digits)"


@dataclass(slots=True)
class Fields:
    """One object's fields.

    Args:
        values: the object.
        problems: where to note what can't be read, one clear line each.
        where: the path to this object inside its document, for those lines.
    """

    values: Mapping[str, object]
    problems: list[str] = field(default_factory=list)
    where: str = ""

    def get(self, name: str) -> object:
        """The field as it is, or None when it is unset."""
        value = self.values.get(name)
        # A warm-up asks this dozens of times for each of millions of documents.
        return None if type(value) is str and value in _UNSET else value

    def text(self, name: str, longest: int = MAX_TEXT_LENGTH) -> str | None:
        """A printable text, such as a person's name."""
        value = self.get(name)
        if value is None or (isinstance(value, str) and len(value) <= longest and value.isprintable()):
            return value
        self._note(name, value, f"printable text of at most {longest} characters")
        return None

    def word(self, name: str, longest: int = MAX_TEXT_LENGTH) -> str | None:
        """A text of visible ASCII characters, such as an id or an address."""
        value = self.get(name)
        if value is None or (isinstance(value, str) and len(value) <= longest and is_visible(value)):
            return value
        self._note(name, value, f"1 to {longest} visible ASCII characters")
        return None

    def account(self, name: str) -> str | None:
        """An account id."""
        return self.word(name, MAX_ID_LENGTH)

    def accounts(self, name: str) -> tuple[str, ...]:
        """A list of account ids, equal neighbours collapsed as KAZOO does."""
        value = self.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._note(name, value, "a list of account ids")
            return ()
        if not value:
            return ()
        entries = self._entries(name, value)
        readable = filter(None, map(entries.account, entries.values))
        return tuple(account for account, _ in groupby(readable))

    def flag(self, name: str) -> bool | None:
        """True or false, or None when it is unset or can't be read."""
        value = self.get(name)
        if value is None:
            return None
        if is_true(value):
            return True
        if not is_false(value):
            self._note(name, value, "true or false")
            return None
        return False

    def count(self, name: str, most: int) -> int | None:
        """A whole number from 0 to `most`."""
        value = self.get(name)
        if value is None or (type(value) is int and 0 <= value <= most):
            return value
        self._note(name, value, f"a whole number from 0 to {most}")
        return None

    def word_list(self, name: str) -> tuple[str, ...] | None:
        """A list of words, or None when it is unset or no list; what is no word is left out."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            self._note(name, value, "a list of words")
            return None
        entries = self._entries(name, value)
        return tuple(filter(None, map(entries.word, entries.values)))

    def seconds(self, name: str) -> int | None:
        """A time in Gregorian seconds."""
        value = self.get(name)
        if value is None or (type(value) is int and 0 < value < _LATEST):
            return value
        self._note(name, value, "a whole number of Gregorian seconds")
        return None

    def nested(self, name: str) -> "Fields":
        """The fields of an object inside this one; no fields when it is unset or no object."""
        value = self.get(name)
        if type(value) is dict or isinstance(value, Mapping):
            return Fields(value, self.problems, _path(self.where, name))
        if value is not None:
            self._note(name, value, "an object")
        return Fields({}, self.problems, _path(self.where, name))

    def _entries(self, name: str, listed: list[object]) -> "Fields":
        """A list's entries, named by their positions."""
        named = {str(position): entry for position, entry in enumerate(listed)}
        return Fields(named, self.problems, _path(self.where, name))

    def _note(self, name: str, value: object, wanted: str) -> None:
        self.problems.append(f"{_path(self.where, name)} is {shown(value)}: it must be {wanted}")


@lru_cache(1024)
def _path(where: str, name: str) -> str:
    step = name if is_visible(name) and len(name) <= _SHOWN else shown(name)
    return f"{where}.{step}" if where else step
