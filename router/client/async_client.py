"""The client for asyncio."""

from __future__ import annotations  # gRPC's classes are generic to type checkers alone

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message

from router.client import methods
from router.client.core import ClientCore
from router.client.methods import Method, Req, Res
from router.client.numbers import AsyncNumbers
from router.client.options import Options, Tls, Token
from router.client.requests import lookup_request
from router.client.results import LookupResult, Result, batch_results, failed, lookup_result
from router.client.streams import OpenLookups
from router.v1 import inbound_pb2 as pb

T = TypeVar("T", bound=Message)


class AsyncClient(ClientCore):
    """Asks one did-router over one channel, from the event loop that it was made in.

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
            grpc.aio.insecure_channel(target, arguments)
            if tls is None
            else grpc.aio.secure_channel(target, tls.credentials(), arguments)
        )

    @property
    def numbers(self) -> AsyncNumbers:
        """The number manager."""
        return AsyncNumbers(self._ask)

    async def lookup(
        self, number: str, dial_plan: str = "", *, authoritative: bool = False, deadline: float | None = None
    ) -> LookupResult:
        """Return which account owns a number.

        Args:
            number: as the switch has it: a SIP user part, digits, a tel: or sip: URI.
            authoritative: bypass the caches.
            deadline: seconds; None: the client's.
        """
        request = lookup_request(number, dial_plan, authoritative=authoritative)
        return lookup_result(number, await self._ask(methods.LOOKUP, request, deadline))

    async def lookup_batch(
        self, numbers: Iterable[str], dial_plan: str = "", *, authoritative: bool = False, deadline: float | None = None
    ) -> list[LookupResult]:
        """Return a result for each number, in their order; a thousand go in one call, which has the deadline."""
        results: list[LookupResult] = []
        for batch, request in self._batches(numbers, dial_plan, authoritative=authoritative):
            results += batch_results(batch, await self._ask(methods.LOOKUP_BATCH, request, deadline))
        return results

    async def lookup_stream(
        self,
        numbers: Iterable[str] | AsyncIterable[str],
        dial_plan: str = "",
        *,
        authoritative: bool = False,
        deadline: float | None = None,
    ) -> AsyncIterator[LookupResult]:
        """Yield the result of each number as it is found, in any order, over one stream.

        A stream is sent once. Where it fails, each number that was sent and has no result gets the failure; where none
        is open, one result with an empty `input` has it. Numbers behind it are not asked.

        Args:
            numbers: read in a task, as far as the service takes them; they may come for hours.
            deadline: seconds for the whole stream; None: none, and the service bounds each lookup.
        """
        lookups = OpenLookups(dial_plan, authoritative=authoritative)
        raised: list[Exception] = []

        async def requests() -> AsyncIterator[pb.LookupStreamRequest]:
            try:
                async for number in _each(numbers):
                    yield lookups.request(number)
            except Exception as error:  # noqa: BLE001 - gRPC would log it, and cancel the call
                raised.append(error)

        stream = self.channel.stream_stream(
            methods.LOOKUP_STREAM, pb.LookupStreamRequest.SerializeToString, pb.LookupStreamResponse.FromString
        )
        call = stream(requests(), timeout=deadline, metadata=self.metadata)
        try:
            async for response in call:
                yield lookups.result(response)
        except grpc.aio.AioRpcError as error:
            for result in lookups.failed(failed(error)):
                yield result
        finally:
            call.cancel()
        if raised:
            raise raised[0]

    async def explain(
        self, number: str, dial_plan: str = "", *, authoritative: bool = False, deadline: float | None = None
    ) -> Result[pb.ExplainResponse]:
        """Return why a number routes where it does: every step, and what each layer holds.

        Args:
            authoritative: the answer is read past the caches.
        """
        request = self._explain_request(number, dial_plan, authoritative=authoritative)
        return await self._ask(methods.EXPLAIN, request, deadline)

    async def close(self) -> None:
        """Close the channel, also for clients made by `with_token`."""
        await self.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def call(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Any, T], request: Any, deadline: float, *, is_read: bool
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
            result = await self._attempt(method, request, attempts.timeout())
            pause = attempts.pause(result)
            if pause is None:
                self._policy.record(result)
                return result
            await asyncio.sleep(pause)

    async def _ask(self, method: Method[Req, Res], request: Req, deadline: float | None) -> Result[Res]:
        stub = self.channel.unary_unary(method.path, method.request.SerializeToString, method.response.FromString)
        return await self.call(stub, request, self._seconds(method, deadline), is_read=method.is_read)

    async def _attempt(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Any, T], request: Any, seconds: float
    ) -> Result[T]:
        try:
            return Result(await method(request, timeout=seconds, metadata=self.metadata))
        except grpc.aio.AioRpcError as error:
            return failed(error)


async def _each(numbers: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    if isinstance(numbers, AsyncIterable):
        async for number in numbers:
            yield number
        return
    for number in numbers:
        yield number
