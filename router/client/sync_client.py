"""The client for threads."""

from __future__ import annotations  # gRPC's classes are generic to type checkers alone

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message

from router.client import methods
from router.client.core import ClientCore
from router.client.methods import Method, Req, Res
from router.client.numbers import Numbers
from router.client.options import Options, Tls, Token
from router.client.requests import lookup_request
from router.client.results import LookupResult, Result, batch_results, failed, lookup_result
from router.client.streams import OpenLookups
from router.v1 import inbound_pb2 as pb

T = TypeVar("T", bound=Message)


class Client(ClientCore):
    """Asks one did-router over one channel; threads may share it. Make it after forking: gRPC does not outlive a fork.

    No method raises because of the service or a number: each returns a result, which holds a value or the failure.

    Args:
        target: host:port of did-router, or any other name that gRPC resolves. All addresses of a name take calls.
        deadline: seconds for one lookup; a caller hears silence meanwhile.
        token: a bearer token, or a function that returns the current one.
        tls: None for no TLS.

    Attributes:
        channel: gRPC's, for stubs of other services: health checks, reflection.

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
        super().__init__(target, deadline=deadline, token=token, options=options)
        arguments = self._options.channel_options()
        self.channel = (
            grpc.insecure_channel(target, arguments)
            if tls is None
            else grpc.secure_channel(target, tls.credentials(), arguments)
        )

    @property
    def numbers(self) -> Numbers:
        """The number manager."""
        return Numbers(self._ask)

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
        return lookup_result(number, self._ask(methods.LOOKUP, request, deadline))

    def lookup_batch(
        self, numbers: Iterable[str], dial_plan: str = "", *, authoritative: bool = False, deadline: float | None = None
    ) -> list[LookupResult]:
        """Return a result for each number, in their order; a thousand go in one call, which has the deadline."""
        results: list[LookupResult] = []
        for batch, request in self._batches(numbers, dial_plan, authoritative=authoritative):
            results += batch_results(batch, self._ask(methods.LOOKUP_BATCH, request, deadline))
        return results

    def lookup_stream(
        self, numbers: Iterable[str], dial_plan: str = "", *, authoritative: bool = False, deadline: float | None = None
    ) -> Iterator[LookupResult]:
        """Yield the result of each number as it is found, in any order, over one stream.

        A stream is sent once. Where it fails, each number that was sent and has no result gets the failure; where none
        is open, one result with an empty `input` has it. Numbers behind it are not asked.

        Args:
            numbers: read in a thread of gRPC's, as far as the service takes them; they may come for hours.
            deadline: seconds for the whole stream; None: none, and the service bounds each lookup.
        """
        lookups = OpenLookups(dial_plan, authoritative=authoritative)
        raised: list[Exception] = []

        def requests() -> Iterator[pb.LookupStreamRequest]:
            try:
                yield from map(lookups.request, numbers)
            except Exception as error:  # noqa: BLE001 - gRPC would log it, and cancel the call
                raised.append(error)

        stream = self.channel.stream_stream(
            methods.LOOKUP_STREAM, pb.LookupStreamRequest.SerializeToString, pb.LookupStreamResponse.FromString
        )
        call = stream(requests(), timeout=deadline, metadata=self.metadata)
        try:
            yield from map(lookups.result, call)
        except grpc.RpcError as error:
            yield from lookups.failed(failed(error))
        finally:
            call.cancel()
        if raised:
            raise raised[0]

    def explain(
        self, number: str, dial_plan: str = "", *, authoritative: bool = False, deadline: float | None = None
    ) -> Result[pb.ExplainResponse]:
        """Return why a number routes where it does: every step, and what each layer holds.

        Args:
            authoritative: the answer is read past the caches.
        """
        request = self._explain_request(number, dial_plan, authoritative=authoritative)
        return self._ask(methods.EXPLAIN, request, deadline)

    def close(self) -> None:
        """Close the channel, also for clients made by `with_token`."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def call(
        self, method: grpc.UnaryUnaryMultiCallable[Any, T], request: Any, deadline: float, *, is_read: bool
    ) -> Result[T]:
        """Send one request by the method of a stub that was made with this client's channel.

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

    def _ask(self, method: Method[Req, Res], request: Req, deadline: float | None) -> Result[Res]:
        stub = self.channel.unary_unary(method.path, method.request.SerializeToString, method.response.FromString)
        return self.call(stub, request, self._seconds(method, deadline), is_read=method.is_read)

    def _attempt(self, method: grpc.UnaryUnaryMultiCallable[Any, T], request: Any, seconds: float) -> Result[T]:
        try:
            return Result(method(request, timeout=seconds, metadata=self.metadata))
        except grpc.RpcError as error:
            return failed(error)
