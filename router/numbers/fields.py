"""Typed reading of a hand-written document, which never raises and collects problems."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby

MAX_ID_LENGTH = 32
"""Characters of an account id; KAZOO's are 32 hexadecimal digits."""

MAX_TEXT_LENGTH = 256
"""Characters of any other text in a response."""

_SHOWN = 40
_LATEST = 2**53
_UNSET = ("", "0", "NULL", "undefined")
_KINDS: dict[type, str] = {list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that does not count, and the reason."""

    reason: str


def is_unset(value: object) -> bool:
    """Return whether KAZOO takes a value for empty: null, "", "0", "NULL" or "undefined"."""
    return value is None or (isinstance(value, str) and value in _UNSET)


def is_true(value: object) -> bool:
    """Return whether KAZOO takes a value for true: true or "true" only."""
    return value is True or value == "true"


def is_false(value: object) -> bool:
    """Return whether KAZOO takes a value for false: false or "false" only."""
    return value is False or value == "false"


def is_visible(text: str) -> bool:
    """Return whether a text is ASCII without spaces and control characters."""
    return text.isascii() and text.isprintable() and " " not in text


def printable(text: str, limit: int = 64) -> str:
    """Return the beginning of an input in a form that people and logs may see."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[:limit])
    return shown + ("…" if len(text) > limit else "")


def shown(value: object) -> str:
    """Return a short description of a JSON value of any size and type, for messages."""
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
    except ValueError:  # Python formats no integer of more than 4,300 digits
        return "a huge number"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} digits)"


@dataclass(slots=True)
class Fields:
    """Typed access to the fields of an object.

    Args:
        values: the object.
        problems: unreadable fields are added here, one line each.
        where: the path to this object inside its document, for those lines.
    """

    values: Mapping[str, object]
    problems: list[str] = field(default_factory=list)
    where: str = ""

    def get(self, name: str) -> object:
        """Return the raw field; None where it is unset."""
        value = self.values.get(name)
        # A warm-up calls this dozens of times for each of millions of documents.
        return None if type(value) is str and value in _UNSET else value

    def text(self, name: str, max_length: int = MAX_TEXT_LENGTH) -> str | None:
        """Read printable text, such as a person's name."""
        value = self.get(name)
        if value is None or (isinstance(value, str) and len(value) <= max_length and value.isprintable()):
            return value
        self._note(name, value, f"printable text of at most {max_length} characters")
        return None

    def word(self, name: str, max_length: int = MAX_TEXT_LENGTH) -> str | None:
        """Read visible ASCII characters, such as an id or an address."""
        value = self.get(name)
        if value is None or (isinstance(value, str) and len(value) <= max_length and is_visible(value)):
            return value
        self._note(name, value, f"1 to {max_length} visible ASCII characters")
        return None

    def account(self, name: str) -> str | None:
        """Read an account id."""
        return self.word(name, MAX_ID_LENGTH)

    def accounts(self, name: str) -> tuple[str, ...]:
        """Read a list of account ids; equal neighbours are collapsed, as in KAZOO."""
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
        """Read true or false; None where it is unset or unreadable."""
        value = self.get(name)
        if value is None:
            return None
        if is_true(value):
            return True
        if not is_false(value):
            self._note(name, value, "true or false")
            return None
        return False

    def count(self, name: str, maximum: int) -> int | None:
        """Read a whole number from 0 to `maximum`."""
        value = self.get(name)
        if value is None or (type(value) is int and 0 <= value <= maximum):
            return value
        self._note(name, value, f"a whole number from 0 to {maximum}")
        return None

    def word_list(self, name: str) -> tuple[str, ...] | None:
        """Read a list of words, without its unreadable entries; None where it is unset or no list."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            self._note(name, value, "a list of words")
            return None
        entries = self._entries(name, value)
        return tuple(filter(None, map(entries.word, entries.values)))

    def seconds(self, name: str) -> int | None:
        """Read a time in Gregorian seconds."""
        value = self.get(name)
        if value is None or (type(value) is int and 0 < value < _LATEST):
            return value
        self._note(name, value, "a whole number of Gregorian seconds")
        return None

    def nested(self, name: str) -> "Fields":
        """Return access to a nested object; it is empty where the field is unset or no object."""
        value = self.get(name)
        if type(value) is dict or isinstance(value, Mapping):
            return Fields(value, self.problems, _path(self.where, name))
        if value is not None:
            self._note(name, value, "an object")
        return Fields({}, self.problems, _path(self.where, name))

    def _entries(self, name: str, listed: list[object]) -> "Fields":
        """Return access to a list's entries by position."""
        named = {str(position): entry for position, entry in enumerate(listed)}
        return Fields(named, self.problems, _path(self.where, name))

    def _note(self, name: str, value: object, wanted: str) -> None:
        self.problems.append(f"{_path(self.where, name)} is {shown(value)}: it must be {wanted}")


@lru_cache(1024)
def _path(where: str, name: str) -> str:
    step = name if is_visible(name) and len(name) <= _SHOWN else shown(name)
    return f"{where}.{step}" if where else step
