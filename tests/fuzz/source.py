"""Values out of a fuzzer's bytes: the same bytes give the same values, whichever engine made them."""

from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")

APART = b"\0"
"""Between the parts of an input that is made of texts: it stays readable, and the engine finds the parts' borders."""

_ODD: tuple[Any, ...] = (None, True, False, 0, -1, 1, 1.5, 2**53, 2**63, -(2**63), 1e300, "", "0", "NULL", [], {})


def parts(data: bytes, count: int) -> list[bytes]:
    """So many parts; the last one takes what is left, missing ones are empty."""
    found = data.split(APART, count - 1)
    return found + [b""] * (count - len(found))


def text(data: bytes) -> str:
    """Any bytes as a text that UTF-8 can hold."""
    return data.decode("utf-8", "replace")


class Source:
    """Takes values from the front of an input; an input that is used up gives the first of everything."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is left."""
        return self._at >= len(self._data)

    def byte(self) -> int:
        """From 0 to 255."""
        if self.is_empty:
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def flag(self) -> bool:
        """True or false."""
        return self.byte() % 2 == 1

    def number(self, maximum: int) -> int:
        """From 0 to `most`."""
        value = 0
        for _ in range((maximum.bit_length() + 7) // 8):
            value = value << 8 | self.byte()
        return value % (maximum + 1)

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self.byte() % len(choices)]

    def octets(self, maximum: int = 64) -> bytes:
        """Bytes, as many as the next byte says."""
        count = min(self.byte(), maximum)
        taken = self._data[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def word(self, maximum: int = 40) -> str:
        """Visible ASCII."""
        return "".join(chr(33 + octet % 94) for octet in self.octets(maximum))

    def text(self, maximum: int = 64) -> str:
        """Anything that UTF-8 can hold."""
        return text(self.octets(maximum))

    def rest(self) -> bytes:
        """Return all bytes that are left."""
        taken = self._data[self._at :]
        self._at = len(self._data)
        return taken

    def json(self, dictionary: Sequence[str], depth: int = 3) -> Any:
        """A value that JSON can hold, of the kinds that readers of documents must expect.

        Args:
            words: names and texts that mean something to the reader.
        """
        kind = self.byte() % 8
        if kind >= 6 and depth:
            count = self.byte() % 5
            if kind == 6:
                return [self.json(dictionary, depth - 1) for _ in range(count)]
            return {self.name(dictionary): self.json(dictionary, depth - 1) for _ in range(count)}
        match kind:
            case 0 | 1:
                return self.pick(dictionary)
            case 2:
                return self.text()
            case 3:
                return self.pick(_ODD)
        return self.number(2**40) if kind == 4 else self.word(33)

    def name(self, dictionary: Sequence[str]) -> str:
        """A field's name: mostly one that means something."""
        return self.text(80) if self.byte() % 8 == 0 else self.pick(dictionary)
