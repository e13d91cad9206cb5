"""Responds INVALID_ARGUMENT to requests that can't be parsed, with a message, and logs nothing about them."""

import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from router.server.calls.timed_methods import timed_methods
from router.server.observation.calls import GrpcCalls

Handler = Any
"""A grpc.RpcMethodHandler, which has no type parameters when it runs."""
Context = grpc.aio.ServicerContext[Any, Any]


class _MalformedMessageError(Exception):
    """A message of a stream can't be parsed."""


_UNREADABLE = object()


class RegistrationProxy:
    """Receives the servicers that generated code registers, and adds them to a server with strict methods.

    Args:
        calls: counts the calls of the methods; None: they are not counted.
    """

    def __init__(self, server: grpc.aio.Server, calls: GrpcCalls | None = None) -> None:
        self._server = server
        self._calls = calls

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Ignore the handlers: generated code registers every method twice."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Add a service's methods."""
        self._server.add_generic_rpc_handlers((strict_service(service, handlers, self._calls),))


def strict_service(
    service: str,
    handlers: Mapping[str, Handler],
    calls: GrpcCalls | None = None,
    as_they_are: Mapping[str, Handler] | None = None,
) -> grpc.GenericRpcHandler:
    """Return a service whose methods respond INVALID_ARGUMENT to a malformed request.

    By default grpcio responds UNKNOWN, and logs each such call with a traceback.

    Args:
        service: full name of the service.
        handlers: by method.
        calls: counts the calls; None: they are not counted.
        as_they_are: handlers of further methods, which check and count themselves.
    """
    strict = {name: strict_method(handler, f"{service}/{name}") for name, handler in handlers.items()}
    counted = strict if calls is None else timed_methods(service, strict, calls)
    return grpc.method_handlers_generic_handler(service, {**counted, **(as_they_are or {})})


def strict_method(handler: Handler, method: str) -> Handler:
    """Return a handler that rejects malformed requests; one that takes raw bytes is returned unchanged."""
    if handler.request_deserializer is None:
        return handler
    message = f"the request is not a message of {method}: it is malformed, or its text is not UTF-8"
    read, write = _tolerant_deserializer(handler.request_deserializer), handler.response_serializer
    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler(_stream(handler.stream_stream, message), read, write)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(_watch(handler.unary_stream, message), read, write)
    return grpc.unary_unary_rpc_method_handler(_unary(handler.unary_unary, message), read, write)


def _tolerant_deserializer(read: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def read_or_mark(content: bytes) -> object:
        try:
            return read(content)
        except DecodeError:
            return _UNREADABLE

    return read_or_mark


def _unary(act: Callable[..., Any], message: str) -> Callable[..., Any]:
    async def respond(request: object, context: Context) -> object:
        if request is _UNREADABLE:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        return await act(request, context)

    return respond


def _watch(act: Callable[..., Any], message: str) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(act):
        raise TypeError("no method answers one request with a stream that it generates")

    async def respond(request: object, context: Context) -> None:
        if request is _UNREADABLE:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        await act(request, context)

    return respond


def _stream(act: Callable[..., Any], message: str) -> Callable[..., Any]:
    async def respond(requests: AsyncIterator[object], context: Context) -> AsyncIterator[object]:
        try:
            async for each in act(_readable(requests), context):
                yield each
        except _MalformedMessageError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)

    return respond


async def _readable(requests: AsyncIterator[object]) -> AsyncIterator[object]:
    async for request in requests:
        if request is _UNREADABLE:
            raise _MalformedMessageError
        yield request
