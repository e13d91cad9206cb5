"""Batch: calls on their way through the chain of answer sources."""

from collections.abc import Sequence

from router.lookup.call import Call
from router.numbers.routes import Policy


class Batch:
    """The calls that no source has answered yet.

    Attributes:
        calls: those that a cache may answer.
        for_origin: those that only the number database may answer.
        corrupt: numbers whose entry in Redis is invalid, and has to be removed.
        policy: judges documents that are read for these calls.
        generation: the near cache's, from before the rules were read; answers from before a change are not kept.
        near_cache_was_read: the near cache holds nothing for these calls.
    """

    __slots__ = ("calls", "corrupt", "for_origin", "generation", "near_cache_was_read", "policy")

    def __init__(self, calls: Sequence[Call], for_origin: Sequence[Call], policy: Policy, generation: int) -> None:
        self.calls = calls
        self.for_origin = list(for_origin)
        self.corrupt: list[str] = []
        self.policy = policy
        self.generation = generation
        self.near_cache_was_read = False
