"""A file's lines, with how many bytes of it are read."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

LONGEST = 1 << 20
"""Bytes of a line, its end with it; a file without line ends must not be read into memory whole."""
LONGEST_DOCUMENT = 16 << 20
"""Bytes of a line that holds a whole document: twice what CouchDB takes (`max_document_size`, 8,000,000)."""


class Lines:
    """Lines of a binary file as text; what isn't UTF-8 comes as lone surrogates, which `is_utf8` tells.

    Args:
        longest: bytes of a line, its end with it; LONGEST by default.

    Attributes:
        offset: bytes read.
        number: lines read.
        passed_over: lines read that are no row's: the names of columns, empty lines, comments; the reader counts them.
        cut: some line was longer than `longest` and came cut; whoever cares sets it to false before he reads on.
    """

    def __init__(self, file: BinaryIO, longest: int | None = None) -> None:
        self._file = file
        self._longest = longest or LONGEST
        self.offset = 0
        self.number = 0
        self.skipped = 0
        self.truncated = False

    def __iter__(self) -> Iterator[str]:
        """Yield each line with its end."""
        while raw := self._file.readline(self._longest):
            begins = self.offset == 0
            self.offset += len(raw)
            self.number += 1
            if len(raw) == self._longest and not raw.endswith(b"\n"):
                raw = raw[:-1] + b"\n"
                self.truncated |= self._skip_rest()
            if begins:
                raw = raw.removeprefix(codecs.BOM_UTF8)
            yield raw.decode("utf-8", "surrogateescape")

    def _skip_rest(self) -> bool:
        """Read to the line's end, keeping nothing: the rest of a line is no row of its own."""
        while rest := self._file.readline(self._longest):
            self.offset += len(rest)
            if rest.endswith(b"\n"):
                break
        return True


def is_utf8(text: str) -> bool:
    """Whether it was UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
