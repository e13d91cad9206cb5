"""The interface of the answer sources."""

from typing import ClassVar, Protocol

from router.lookup.batch import Batch
from router.trust.trust import Trust
from router.v1 import inbound_pb2 as pb


class AnswerSource(Protocol):
    """A link in the chain that answers lookups.

    Attributes:
        LAYER: the field of an ExplainResponse that shows its content; empty for none.
    """

    LAYER: ClassVar[str]

    def resolve(self, batch: Batch, trust: Trust) -> Batch:
        """Answer the calls of a batch that this source can answer; return the batch of all others."""

    def describe(self, number: str, trust: Trust) -> pb.LayerView:
        """Return what this source holds for a number, for Explain.

        Raises:
            CouchError, redis.RedisError: its store can't be read.
            ValueError, DecodeError: what its store holds can't be read.
        """
