"""Converts a DNS name to its number (RFC 6116 3.2): its digits in reverse order, a label each, before a zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

_MAX_DIGITS = 15


class Place(Enum):
    """The place of a name that belongs to no number."""

    OUTSIDE = "in none of the zones"
    APEX = "a zone itself"
    WITHIN = "below a zone, and no number"


@dataclass(frozen=True, slots=True)
class Number:
    """A number, E.164 with "+"."""

    text: str


Zone = tuple[bytes, ...]


class Zones:
    """The zones that this server answers for.

    Raises:
        ValueError: a name that is no zone; the message says how to write it.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.zones = tuple(sorted((_labels(name) for name in names), key=len, reverse=True))

    def find(self, labels: Zone) -> tuple[Number | Place, Zone]:
        """Return what a name stands for, and its zone (empty outside of all)."""
        for zone in self.zones:
            if labels[-len(zone) :] == zone:
                return _within(labels[: -len(zone)]), zone
        return Place.OUTSIDE, ()


def _within(labels: Zone) -> Number | Place:
    if not labels:
        return Place.APEX
    if len(labels) > _MAX_DIGITS or not all(len(label) == 1 and label.isdigit() for label in labels):
        return Place.WITHIN
    return Number("+" + b"".join(reversed(labels)).decode())


def _labels(name: str) -> Zone:
    labels = tuple(label.encode() for label in name.lower().strip(".").split("."))
    if not all(0 < len(label) < 64 and label.replace(b"-", b"").replace(b"_", b"").isalnum() for label in labels):  # noqa: PLR2004
        raise ValueError(f"{name} is no zone: write it as e164.arpa or enum.example.com")
    return labels
