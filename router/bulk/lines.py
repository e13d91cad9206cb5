"""The lines of a file, with the count of bytes read."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

MAX_LINE_BYTES = 1 << 20
"""Bytes per line, its end included: a file without line ends must not be read into memory whole."""
MAX_DOCUMENT_LINE_BYTES = 16 << 20
"""Bytes per line with a whole document: twice CouchDB's default `max_document_size` of 8,000,000."""


class Lines:
    """Lines of a binary file as text; bytes that aren't UTF-8 become lone surrogates, which `is_utf8` detects.

    Args:
        longest: bytes per line, its end included; LONGEST by default.

    Attributes:
        offset: bytes read.
        number: lines read.
        skipped: lines without a row: header, blank lines, comments. The caller counts them.
        truncated: a line was longer than `max_bytes`; the caller resets the flag before it reads on.
    """

    def __init__(self, file: BinaryIO, max_bytes: int | None = None) -> None:
        self._file = file
        self._max_bytes = max_bytes or MAX_LINE_BYTES
        self.offset = 0
        self.number = 0
        self.skipped = 0
        self.truncated = False

    def __iter__(self) -> Iterator[str]:
        """Yield each line with its end."""
        while raw := self._file.readline(self._max_bytes):
            begins = self.offset == 0
            self.offset += len(raw)
            self.number += 1
            if len(raw) == self._max_bytes and not raw.endswith(b"\n"):
                raw = raw[:-1] + b"\n"
                self.truncated |= self._skip_rest()
            if begins:
                raw = raw.removeprefix(codecs.BOM_UTF8)
            yield raw.decode("utf-8", "surrogateescape")

    def _skip_rest(self) -> bool:
        """Read to the line's end and discard it: the rest of a line is no row of its own."""
        while rest := self._file.readline(self._max_bytes):
            self.offset += len(rest)
            if rest.endswith(b"\n"):
                break
        return True


def is_utf8(text: str) -> bool:
    """Return whether the text was valid UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
