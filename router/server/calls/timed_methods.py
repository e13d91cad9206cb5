"""Times the methods of a grpcio server, inside of their handlers: an interceptor would cost each call more."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc

from router.server.observation.calls import GrpcCalls, cancelled_status, status_name

Handler = Any
"""A grpc.RpcMethodHandler, which has no type parameters when it runs."""


def timed_methods(service: str, handlers: Mapping[str, Handler], calls: GrpcCalls) -> dict[str, Handler]:
    """Return handlers that count their calls.

    Args:
        service: full name of the service.
        handlers: by method; unary, or with a stream in both directions.
    """
    return {name: timed_method(handler, f"{service}/{name}", calls) for name, handler in handlers.items()}


def timed_method(handler: Handler, method: str, calls: GrpcCalls) -> Handler:
    """Return a handler that counts its calls; `method` is the full name without a leading slash."""
    read, write = handler.request_deserializer, handler.response_serializer
    if handler.stream_stream is not None:
        return grpc.stream_stream_rpc_method_handler(_stream(handler.stream_stream, method, calls), read, write)
    if handler.unary_unary is not None:
        return grpc.unary_unary_rpc_method_handler(_unary(handler.unary_unary, method, calls), read, write)
    raise TypeError(f"{method}: no method of this service streams in one direction")


def _unary(act: Callable[..., Any], method: str, calls: GrpcCalls) -> Callable[..., Any]:
    async def respond(request: object, context: Any) -> object:
        with _timed(method, context, calls):
            return await act(request, context)

    return respond


def _stream(act: Callable[..., Any], method: str, calls: GrpcCalls) -> Callable[..., Any]:
    async def respond(requests: AsyncIterator[object], context: Any) -> AsyncIterator[object]:
        with _timed(method, context, calls):
            async for each in act(requests, context):
                yield each

    return respond


@contextmanager
def _timed(method: str, context: Any, calls: GrpcCalls) -> Iterator[None]:
    began = time.perf_counter()
    calls.start(method)
    status = "OK"
    try:
        yield
    except BaseException as problem:
        status = _status(problem, context)
        raise
    finally:
        calls.end(method, status, time.perf_counter() - began)


def _status(problem: BaseException, context: Any) -> str:
    """Return the name of the status with which a call ends that raised."""
    if isinstance(problem, grpc.aio.AbortError):
        code = context.code()
        return str(code.name) if isinstance(code, grpc.StatusCode) else status_name(code)
    if isinstance(problem, asyncio.CancelledError | GeneratorExit):
        return cancelled_status(context.time_remaining())
    return "UNKNOWN"
