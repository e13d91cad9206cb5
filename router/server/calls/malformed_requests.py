"""Requests that can't be read are the caller's fault: they are told so, in words, and nothing is logged of them."""

import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError

Handler = Any
"""A grpc.RpcMethodHandler, which has no type parameters when it runs."""
Context = grpc.aio.ServicerContext[Any, Any]


class _Malformed(Exception):
    """A message of a stream could not be read."""


_UNREADABLE = object()


class CarefulServer:
    """Stands for a server where generated code adds servicers to it, and makes their methods careful."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Generated code adds everything twice; once is enough."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Add the methods of a service."""
        self._server.add_generic_rpc_handlers((careful_service(service, handlers),))


def careful_service(service: str, handlers: Mapping[str, Handler]) -> grpc.GenericRpcHandler:
    """A service whose methods answer INVALID_ARGUMENT to what is not their message.

    By itself grpcio says UNKNOWN, and logs each such call with a traceback.

    Args:
        service: its full name.
        handlers: by method.
    """
    made = {name: careful(handler, f"{service}/{name}") for name, handler in handlers.items()}
    return grpc.method_handlers_generic_handler(service, made)


def careful(handler: Handler, method: str) -> Handler:
    """The same for one method; what takes bytes as they are is left as it is."""
    if handler.request_deserializer is None:
        return handler
    words = f"the request is not a message of {method}: it is malformed, or its text is not UTF-8"
    read, write = _reader(handler.request_deserializer), handler.response_serializer
    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler(_stream(handler.stream_stream, words), read, write)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(_watch(handler.unary_stream, words), read, write)
    return grpc.unary_unary_rpc_method_handler(_unary(handler.unary_unary, words), read, write)


def _reader(read: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def read_or_not(content: bytes) -> object:
        try:
            return read(content)
        except DecodeError:
            return _UNREADABLE

    return read_or_not


def _unary(act: Callable[..., Any], words: str) -> Callable[..., Any]:
    async def answer(request: object, context: Context) -> object:
        if request is _UNREADABLE:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, words)
        return await act(request, context)

    return answer


def _watch(act: Callable[..., Any], words: str) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(act):
        raise TypeError("no method answers one request with a stream that it generates")

    async def answer(request: object, context: Context) -> None:
        if request is _UNREADABLE:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, words)
        await act(request, context)

    return answer


def _stream(act: Callable[..., Any], words: str) -> Callable[..., Any]:
    async def answer(requests: AsyncIterator[object], context: Context) -> AsyncIterator[object]:
        try:
            async for each in act(_readable(requests), context):
                yield each
        except _Malformed:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, words)

    return answer


async def _readable(requests: AsyncIterator[object]) -> AsyncIterator[object]:
    async for request in requests:
        if request is _UNREADABLE:
            raise _Malformed
        yield request
