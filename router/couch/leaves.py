"""The leaves of a document's revision tree; conflicting writes leave several.

The winner is the same on every node: a live leaf before a deletion, then the highest generation, then the highest hash.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from router.couch.client import Document
from router.couch.errors import BadResponseError
from router.numbers.revision import parse_revision


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf.

    Attributes:
        document: without its history (`_revisions`).
        ancestors: earlier revisions of the leaf, as far as they are kept and were asked for.
    """

    document: Document
    ancestors: frozenset[str] = frozenset()

    @property
    def revision(self) -> str:
        """The document's `_rev`."""
        return str(self.document["_rev"])

    @property
    def is_deleted(self) -> bool:
        """Return whether it is a deletion."""
        return self.document.get("_deleted") is True

    @property
    def precedence(self) -> tuple[bool, int, str]:
        """The key that CouchDB orders leaves by; the highest wins.

        Raises:
            ValueError: the revision has no generation.
        """
        generation, digest = parse_revision(self.revision)
        return not self.is_deleted, generation, digest


def winner(leaves: Iterable[Leaf]) -> Leaf:
    """Return the leaf that CouchDB serves as the document; `leaves` must not be empty."""
    return max(leaves, key=lambda leaf: leaf.precedence)


def leaves_in(result: Any) -> tuple[str, list[Leaf], list[str]]:
    """Return identifier, leaves and errors of one result of `_bulk_get`.

    Raises:
        BadResponseError: it is no such result, or of another document.
    """
    try:
        identifier = str(result["id"])
        leaves = [_leaf(own_document(each["ok"], identifier)) for each in result["docs"] if "ok" in each]
        errors = [str(each["error"]["error"]) for each in result["docs"] if "error" in each]
        is_valid = all(leaf.precedence for leaf in leaves)
    except (KeyError, TypeError, AttributeError, ValueError):
        is_valid = False
    if not is_valid:
        raise BadResponseError(f"_bulk_get sent a result that is none: {str(result)[:200]}")
    return identifier, leaves, errors


def own_document(document: Any, identifier: str) -> Document:
    """Check that a document is the requested one: a call must never be routed by another number's document.

    Raises:
        BadResponseError: it is another one, or none.
    """
    if not isinstance(document, dict) or document.get("_id") != identifier:
        raise BadResponseError(f"{identifier} was asked for, and another document came, or none: {str(document)[:200]}")
    return document


def _leaf(document: Document) -> Leaf:
    history = document.get("_revisions")
    if history is None:
        return Leaf(document)
    start = int(history["start"])
    older = enumerate(history["ids"][1:], 1)
    ancestors = frozenset(f"{start - back}-{digest}" for back, digest in older)
    return Leaf({name: value for name, value in document.items() if name != "_revisions"}, ancestors)
