"""The numbers that every contestant is asked for: documents, entries, and requests in the order they are sent."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from benchmarks.deployment import ACCOUNTS, document
from router.v1 import inbound_pb2 as pb

PER_DATABASE = 10_000
SHUFFLE = 7919
"""A prime: popular numbers are spread over all databases."""

_REFUSED_SHARE = 100
"""One number in so many takes no calls."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Numbers +1NPA0000000 upwards, ten thousand to a database; one in a hundred takes no calls."""

    count: int

    def number(self, index: int) -> str:
        """The index-th number."""
        return f"+1{200 + index // PER_DATABASE}{2_000_000 + index % PER_DATABASE}"

    def databases(self) -> dict[str, range]:
        """Indexes of numbers by database."""
        starts = range(0, self.count, PER_DATABASE)
        return {f"numbers/{self.number(at)[:5]}": range(at, min(at + PER_DATABASE, self.count)) for at in starts}

    def document(self, index: int) -> dict[str, Any]:
        """The number document, without a revision."""
        made = document(self.number(index), ACCOUNTS[index % len(ACCOUNTS)])
        return made | {"pvt_number_state": "available"} if self.refused(index) else made

    def account(self, index: int) -> str:
        """The account that owns the index-th number."""
        return ACCOUNTS[index % len(ACCOUNTS)]

    def refused(self, index: int) -> bool:
        """Return whether it takes no calls."""
        return index % _REFUSED_SHARE == _REFUSED_SHARE - 1

    def missing(self, index: int) -> str:
        """The index-th number that has no document, in a database that exists."""
        return f"{self.number(0)[:5]}9{index:06d}"

    def asked(self, kind: str, calls: int, seed: int = 1) -> Iterator[str]:
        """Numbers as calls bring them.

        Args:
            kind: "hits", "refusals", "misses", each Zipf-distributed; "mix", 99 %, 0.9 %, 0.1 % of these;
                "spread", each routable number once, then again.
            calls: how many.
            seed: of the random choices.
        """
        if kind == "spread":
            return itertools.islice(self._spread(), calls)
        chance = random.Random(seed)
        hits = self._hits(chance, calls)
        refusals = (
            self.number(self._refused_index(rank)) for rank in zipf(max(1, self.count // _REFUSED_SHARE), calls, chance)
        )
        misses = (self.missing(rank) for rank in zipf(1000, calls, chance))
        if kind == "mix":
            streams = {"hits": hits, "refusals": refusals, "misses": misses}
            drawn = chance.choices(list(streams), (990, 9, 1), k=calls)
            return (next(streams[each]) for each in drawn)
        return {"hits": hits, "refusals": refusals, "misses": misses}[kind]

    def _hits(self, chance: random.Random, calls: int) -> Iterator[str]:
        for rank in zipf(self.count, calls, chance):
            index = rank * SHUFFLE % self.count
            yield self.number(index - 1 if self.refused(index) else index)

    def _spread(self) -> Iterator[str]:
        for at in itertools.count():
            index = at * SHUFFLE % self.count
            if not self.refused(index):
                yield self.number(index)

    def _refused_index(self, rank: int) -> int:
        return min(rank * _REFUSED_SHARE + _REFUSED_SHARE - 1, self.count - 1)


def zipf(count: int, draws: int, chance: random.Random) -> list[int]:
    """Ranks below count: the n-th is drawn in proportion to 1/n."""
    return chance.choices(range(count), cum_weights=_harmonic(count), k=draws)


@lru_cache(maxsize=8)
def _harmonic(count: int) -> Sequence[float]:
    return list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))


def written(number: str, form: str) -> str:
    """A number as a carrier sends it."""
    return number if form == "e164" else number.removeprefix("+1")


def frame(message: bytes) -> bytes:
    """A gRPC message as it goes over the wire."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def requests(numbers: Iterator[str], form: str, *, batch: int = 0, stream: bool = False) -> Iterator[bytes]:
    """Framed requests: one to a number, or to a batch of them, or for a stream."""
    lookups = (pb.LookupRequest(number=written(number, form)) for number in numbers)
    if batch:
        while some := list(itertools.islice(lookups, batch)):
            yield frame(pb.LookupBatchRequest(lookups=some).SerializeToString())
    elif stream:
        for index, lookup in enumerate(lookups):
            yield frame(pb.LookupStreamRequest(id=str(index), lookup=lookup).SerializeToString())
    else:
        for lookup in lookups:
            yield frame(lookup.SerializeToString())
