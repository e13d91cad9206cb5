"""The parts that both clients share: target, deadlines, token, policy, and the building of requests. Does no I/O."""

import copy
from collections.abc import Iterable, Iterator
from typing import Self

from router.client.methods import Deadline, Method, Req, Res
from router.client.options import Options, Token, metadata_for
from router.client.policy import CallPolicy
from router.client.requests import BATCH, batch_request, lookup_request
from router.runtime.chunked import chunked
from router.v1 import inbound_pb2 as pb


class ClientCore:
    """A client without its channel.

    Args:
        target: host:port of did-router, or any other name that gRPC resolves.
        deadline: seconds for one lookup.
        token: a bearer token, or a function that returns the current one.

    Raises:
        TokenError: the token is none.
    """

    def __init__(self, target: str, *, deadline: float, token: Token | None, options: Options | None) -> None:
        self.target = target
        self._options = options or Options()
        self._deadline = deadline
        self._token = token
        metadata_for(token)
        self._policy = CallPolicy(self._options)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers of a call, with the current token: for stubs of other services on this client's channel."""
        return metadata_for(self._token)

    def with_token(self, token: Token | None) -> Self:
        """Return a client with another token that shares this one's channel and circuit breaker."""
        metadata_for(token)
        other = copy.copy(self)
        other._token = token  # noqa: SLF001 - of the same class
        return other

    def _seconds(self, method: Method[Req, Res], deadline: float | None) -> float:
        if deadline is not None:
            return deadline
        if method.deadline is Deadline.LOOKUP:
            return self._deadline
        return float(getattr(self._options, method.deadline.value))

    @staticmethod
    def _batches(
        numbers: Iterable[str], dial_plan: str, *, authoritative: bool
    ) -> Iterator[tuple[list[str], pb.LookupBatchRequest]]:
        """Yield the numbers of each LookupBatch, with its request."""
        for batch in chunked(list(numbers), BATCH):
            yield batch, batch_request(batch, dial_plan, authoritative=authoritative)

    @staticmethod
    def _explain_request(number: str, dial_plan: str, *, authoritative: bool) -> pb.ExplainRequest:
        return pb.ExplainRequest(lookup=lookup_request(number, dial_plan, authoritative=authoritative))
