"""Parses CouchDB's sequences: the copy of each range that answered, and that copy's position.

CouchDB 2 and later pack a sequence as a sum, a dash, and the base64 of an Erlang term: a list of
(node, [first, last], position), one for each range of the database (`fabric_view_changes:pack_seqs/1`, 3.5.0).
On a cluster every range has copies on several nodes, each copy counts on its own, and an answer names the copies that
answered first. Two texts of one state differ therefore, and two texts can be compared only copy by copy.
The parameter `since` stays opaque and needs none of this.
"""

import base64
import binascii
import zlib
from collections.abc import Iterator
from typing import Any

import erlang

_UNREADABLE = ""
"""Name of the only copy of a sequence of another form: its text is compared as a whole."""


def copies_in(sequence: str) -> dict[str, str]:
    """Return the position of each copy that a sequence names.

    Returns:
        "node first-last" → position; a sequence that can't be read is one copy without a name.
    """
    try:
        return dict(_copies(_term(sequence)))
    except (binascii.Error, ValueError, TypeError, zlib.error, erlang.ParseException):
        return {_UNREADABLE: sequence}


def number_of(sequence: str) -> int:
    """Return the sum at the beginning of a sequence (CouchDB 1: the sequence itself); 0 where there is none."""
    head = sequence.partition("-")[0]
    return int(head) if head.isdecimal() else 0


def _term(sequence: str) -> Any:
    packed = sequence.partition("-")[2]
    return erlang.binary_to_term(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))


def _copies(term: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(term, list) or not term:
        raise ValueError("not a list of copies")
    for node, (first, last), position in term:
        yield f"{_text(node)} {first:08x}-{last:08x}", _text(position)


def _text(term: Any) -> str:
    """Return a term as text that is the same for the same term."""
    if isinstance(term, tuple):
        return " ".join(map(_text, term))
    value = getattr(term, "value", term)
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
