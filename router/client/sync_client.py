"""The client for threads."""

from __future__ import annotations  # gRPC's classes are generic to type checkers alone

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message

from router.client.numbers import Numbers
from router.client.options import Options, Tls, Token, metadata_for
from router.client.policy import CallPolicy
from router.client.requests import batch_request, batches, lookup_request
from router.client.results import LookupResult, Result, batch_results, failed, lookup_result
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from router.v1.numbers_pb2_grpc import NumberManagerStub

T = TypeVar("T", bound=Message)


class Client:
    """Asks one did-router over one channel; threads may share it. Make it after forking: gRPC does not outlive a fork.

    No method raises because of the service or a number: each returns a result, which holds a value or the failure.

    Args:
        target: host:port of did-router, or any other name that gRPC resolves. All addresses of a name take calls.
        deadline: seconds for one lookup; a caller hears silence meanwhile.
        token: a bearer token, or a function that returns the current one.
        tls: None for no TLS.

    Raises:
        TokenError: the token is none.
    """

    def __init__(
        self,
        target: str,
        *,
        deadline: float = 0.2,
        token: Token | None = None,
        tls: Tls | None = None,
        options: Options | None = None,
    ) -> None:
        self.target = target
        self._options = options or Options()
        self._deadline = deadline
        self._token = token
        metadata_for(token)
        arguments = self._options.channel_options()
        self._channel = (
            grpc.insecure_channel(target, arguments)
            if tls is None
            else grpc.secure_channel(target, tls.credentials(), arguments)
        )
        self._policy = CallPolicy(self._options)
        self._inbound = InboundRouterStub(self._channel)
        self._manager = NumberManagerStub(self._channel)
        self.numbers = Numbers(self.call, self._manager, self._options.manager_deadline)

    def with_token(self, token: Token | None) -> Self:
        """Return a client with another token that shares this one's channel and circuit breaker."""
        metadata_for(token)
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._token = token
        other.numbers = Numbers(other.call, self._manager, self._options.manager_deadline)
        return other

    def lookup(
        self, number: str, dial_plan: str = "", *, authoritative: bool = False, deadline: float | None = None
    ) -> LookupResult:
        """Return which account owns a number.

        Args:
            number: as the switch has it: a SIP user part, digits, a tel: or sip: URI.
            authoritative: bypass the caches.
            deadline: seconds; None: the client's.
        """
        request = lookup_request(number, dial_plan, authoritative=authoritative)
        return lookup_result(number, self.call(self._inbound.Lookup, request, self._seconds(deadline), is_read=True))

    def lookup_batch(
        self, numbers: Iterable[str], dial_plan: str = "", *, authoritative: bool = False, deadline: float | None = None
    ) -> list[LookupResult]:
        """Return a result for each number, in their order; a thousand go in one call, which has the deadline."""
        results: list[LookupResult] = []
        for batch in batches(list(numbers)):
            request = batch_request(batch, dial_plan, authoritative=authoritative)
            result = self.call(self._inbound.LookupBatch, request, self._seconds(deadline), is_read=True)
            results += batch_results(batch, result)
        return results

    def explain(self, number: str, dial_plan: str = "", *, deadline: float | None = None) -> Result[pb.ExplainResponse]:
        """Return why a number routes where it does: every step, and what each layer holds."""
        request = pb.ExplainRequest(lookup=lookup_request(number, dial_plan, authoritative=False))
        seconds = self._options.explain_deadline if deadline is None else deadline
        return self.call(self._inbound.Explain, request, seconds, is_read=True)

    def close(self) -> None:
        """Close the channel, also for clients made by `with_token`."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def call(
        self, method: grpc.UnaryUnaryMultiCallable[Any, T], request: Any, deadline: float, *, is_read: bool
    ) -> Result[T]:
        """Send one request by a stub's method on this client's channel.

        Args:
            deadline: seconds for all attempts together.
            is_read: it changes nothing, so it may be sent again.
        """
        refusal = self._policy.refusal()
        if refusal is not None:
            return refusal
        attempts = self._policy.begin(deadline, is_read=is_read)
        while True:
            result = self._attempt(method, request, attempts.timeout())
            pause = attempts.pause(result)
            if pause is None:
                self._policy.record(result)
                return result
            time.sleep(pause)

    def _attempt(self, method: grpc.UnaryUnaryMultiCallable[Any, T], request: Any, seconds: float) -> Result[T]:
        try:
            return Result(method(request, timeout=seconds, metadata=metadata_for(self._token)))
        except grpc.RpcError as error:
            return failed(error)

    def _seconds(self, deadline: float | None) -> float:
        return self._deadline if deadline is None else deadline
