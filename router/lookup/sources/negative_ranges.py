"""Negative ranges: answers for numbers that a listing of their database shows to have no document."""

import time
from typing import ClassVar

from router.lookup.batch import Batch
from router.lookup.negative_answers import NegativeAnswers
from router.near_cache.negative_ranges import NegativeRanges
from router.trust.trust import FRESH, Trust
from router.v1 import inbound_pb2 as pb

_MEMORY = "near_cache"
"""Source in the counts: a negative range is held in the worker's memory, beside the near cache."""


class NegativeRangeSource:
    """Answers for numbers in a negative range; it stands behind Redis, which holds whatever exists."""

    LAYER: ClassVar = ""

    def __init__(self, negative_ranges: NegativeRanges, negatives: NegativeAnswers) -> None:
        self._negative_ranges = negative_ranges
        self._negatives = negatives

    def resolve(self, batch: Batch, trust: Trust) -> Batch:
        """Answer the calls whose number is in a negative range."""
        if not batch.calls or trust.near is not FRESH:
            return batch
        now = time.monotonic()
        is_absent = self._negative_ranges.is_absent
        rest = []
        for call in batch.calls:
            if not is_absent(call.e164, now):
                rest.append(call)
            elif not self._negatives.answer(call, _MEMORY, batch.generation):
                batch.for_origin.append(call)
        batch.calls = rest
        return batch

    def describe(self, number: str, trust: Trust) -> pb.LayerView:
        """Return whether a negative range covers a number, and would be used."""
        if trust.near is FRESH and self._negative_ranges.is_absent(number, time.monotonic()):
            return pb.LayerView(present=True, detail="a listing of the database does not have the number")
        return pb.LayerView(detail="no negative range covers the number")
