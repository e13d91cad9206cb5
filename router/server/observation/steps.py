"""Steps of a lookup."""

from typing import NamedTuple


class Step(NamedTuple):
    """A part of a lookup; times are Unix nanoseconds."""

    name: str
    began: int
    ended: int
