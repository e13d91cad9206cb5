"""Reads the identifiers of a Python file from its tokens: names in strings, comments and docstrings don't count."""

import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class Identifier(NamedTuple):
    """An identifier and its line."""

    name: str
    line: int


def identifiers(path: Path) -> Iterator[Identifier]:
    """Yield each identifier of a file once, with the line of its first use."""
    seen = set()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string) and token.string not in seen:
            seen.add(token.string)
            yield Identifier(token.string, token.start[0])


def split_words(name: str) -> list[str]:
    """Split an identifier in snake case or camel case into lower-case words."""
    return [word.lower() for word in _WORD.findall(name)]
