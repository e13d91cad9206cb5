"""A file's lines, with how many bytes of it are read."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

_LONGEST_LINE = 1 << 20
"""Bytes; a file without line ends must not be read into memory whole."""


class Lines:
    """Lines of a binary file as text; what isn't UTF-8 comes as lone surrogates, which `is_clean` tells.

    Attributes:
        offset: bytes read.
        number: lines read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.offset = 0
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        """Yield each line with its end; a longer one than a mebibyte comes in pieces, counted as one."""
        while raw := self._file.readline(_LONGEST_LINE):
            if self.offset == 0:
                self.offset = len(raw)
                raw = raw.removeprefix(codecs.BOM_UTF8)
            else:
                self.offset += len(raw)
            self.number += raw.endswith(b"\n") or len(raw) < _LONGEST_LINE
            yield raw.decode("utf-8", "surrogateescape")


def is_clean(text: str) -> bool:
    """Whether it was UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
