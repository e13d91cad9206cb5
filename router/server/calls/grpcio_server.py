"""A grpc.aio server in its own thread: the grpcio call source, the other methods, health and reflection."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from router.runtime.addresses import parse_address
from router.runtime.event_loop_thread import EventLoopThread
from router.runtime.log_rate_limit import limit_library_logs
from router.server.api.inbound_servicer import InboundServicer
from router.server.api.limits import MAX_MESSAGE_BYTES
from router.server.api.number_manager_servicer import NumbersServicer
from router.server.auth.authorizer import AuthInterceptor, Authorizer
from router.server.auth.tls_files import Certificates
from router.server.calls.call_source import (
    KEEPALIVE_TIME_MS,
    KEEPALIVE_TIMEOUT_MS,
    AddressInUseError,
    address_in_use_message,
)
from router.server.calls.event_loop import EventLoopCallSource
from router.server.calls.malformed_requests import RegistrationProxy, strict_service
from router.server.observation.observation import Observation
from router.server.observation.protocols import GRPC
from router.v1 import inbound_pb2 as pb
from router.v1 import numbers_pb2_grpc

SERVICE = "router.v1.InboundRouter"
NUMBERS = "router.v1.NumberManager"
_END_TIMEOUT = 5.0
"""Seconds for the last tasks of the event loop."""
_MAX_METADATA = 16 << 10
OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # For a connection that sends nothing, not even HTTP/2's preface.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # With larger chunks, a flood of unwanted frames leaves hundreds of megabytes allocated.
    ("grpc.experimental.tcp_read_chunk_size", 8 << 10),
    ("grpc.experimental.tcp_max_read_chunk_size", 64 << 10),
    ("grpc.experimental.tcp_max_read_buffer_size", 64 << 10),
    ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
    ("grpc.max_metadata_size", _MAX_METADATA),
    # A reconnecting caller finds the current workers; open calls may continue without a limit.
    ("grpc.max_connection_age_ms", 3_600_000),
    # For unacknowledged data in the kernel, and for an unanswered ping in grpcio.
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    # Calls that the event loop has not started wait inside grpcio. It refuses some of them above the first number,
    # all above the second, and each call that has waited for the third, in seconds.
    ("grpc.server.max_pending_requests", 2000),
    ("grpc.server.max_pending_requests_hard_limit", 4000),
    ("grpc.server_max_unrequested_time_in_server", 2),
)
_ACCEPTORS = 4
"""grpc.aio servers on one port. One server accepts one call in each step of its event loop, so a busy server spends
half of its time waiting for its own threads. Measured: four servers accept 1.4 times as many calls, eight no more than
four. The kernel spreads connections over them."""
_DEALLOCATING_STREAMS = 200
"""Calls of a connection that have ended and are not yet deallocated, beyond those that may be open. Without this margin
a caller at its limit loses calls: its next call arrives before the last one is deallocated, and is refused (measured: a
tenth of the calls in bursts of 200, with 100 allowed; some still with a margin of 50)."""

_SERVING, _NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class GrpcioServer:
    """Serves on one address from `start` until `stop`.

    Args:
        max_queued_calls: Lookup calls that may wait for their results.
        max_concurrent_streams: calls that one connection may have open; None for any number. With a limit, cancelled
            calls count until they are deallocated, so that no caller can fill the shared queue with them.
        idle_timeout: seconds that a connection may stay without an open call; None for any time.
        reuse_port: other workers listen on the same port, so this server may listen there several times.
        observation: what counts the calls.
        authorizer: checks every call; None where calls need no token.
        certificates: for TLS; None for none.
    """

    def __init__(
        self,
        address: str,
        servicer: InboundServicer,
        numbers: NumbersServicer,
        *,
        max_queued_calls: int,
        observation: Observation,
        max_concurrent_streams: int | None = None,
        idle_timeout: float | None = None,
        reuse_port: bool = False,
        authorizer: Authorizer | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self._address = address
        # A port in use must be an error: two listeners would get half of the calls each.
        self._options = [("grpc.so_reuseport", int(reuse_port)), *OPTIONS]
        if max_concurrent_streams is not None:
            self._options += [
                ("grpc.max_concurrent_streams", max_concurrent_streams),
                ("grpc.http2.max_deallocating_streams", _DEALLOCATING_STREAMS),
            ]
        if idle_timeout is not None:
            self._options.append(("grpc.max_connection_idle_ms", int(idle_timeout * 1000)))
        self._acceptors = _ACCEPTORS if reuse_port else 1
        self._servicer = servicer
        self._numbers = numbers
        self._interceptors = () if authorizer is None else (AuthInterceptor(authorizer, observation.grpc),)
        self._certificates = certificates
        limit_library_logs()
        self._thread = EventLoopThread("grpcio-server", loop=asyncio.new_event_loop())
        self._loop = self._thread.loop
        self._health = health.aio.HealthServicer()
        self._calls = observation.grpc
        self.call_source = EventLoopCallSource(self._loop, max_queued_calls, observation.lookups_over(GRPC))
        self.port = 0
        self._servers: list[grpc.aio.Server] = []

    def start(self) -> None:
        """Listen.

        Raises:
            AddressInUseError: the address can't be listened on.
        """
        self._thread.start()
        try:
            self._call(self._start())
        except BaseException:
            self._thread.stop(_END_TIMEOUT)
            raise

    def set_serving(self, *, serving: bool, managing: bool) -> None:
        """Set the health services' status: of lookups, and of changes to numbers."""

        async def publish() -> None:
            for name, healthy in (("", serving), (SERVICE, serving), (NUMBERS, managing)):
                await self._health.set(name, _SERVING if healthy else _NOT_SERVING)

        self._call(publish())

    def stop(self, grace: float) -> None:
        """Accept no new calls; give running calls `grace` seconds."""

        async def end() -> None:
            await asyncio.gather(*(each.stop(grace) for each in self._servers))

        self._call(end())
        self._thread.stop(_END_TIMEOUT)

    async def _start(self) -> None:
        for name in ("", SERVICE, NUMBERS):
            await self._health.set(name, _NOT_SERVING)
        for _ in range(self._acceptors):
            server = self._new_server()
            try:
                self.port = self._bind(server)
            except RuntimeError as problem:
                # The servers that listen already would accept calls and never answer them.
                await asyncio.gather(*(each.stop(0) for each in self._servers))
                raise AddressInUseError(address_in_use_message(self._address, problem)) from None
            await server.start()
            self._servers.append(server)

    def _new_server(self) -> grpc.aio.Server:
        server = grpc.aio.server(interceptors=self._interceptors, options=self._options)
        server.add_generic_rpc_handlers((self._inbound(),))
        registration: Any = RegistrationProxy(server)
        counted: Any = RegistrationProxy(server, self._calls)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, registration)
        numbers_pb2_grpc.add_NumberManagerServicer_to_server(self._numbers, counted)
        names = (SERVICE, NUMBERS, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
            reflection.aio.ReflectionServicer(names), registration
        )
        return server

    def _bind(self, server: grpc.aio.Server) -> int:
        address = str(parse_address(self._address)._replace(port=self.port)) if self._servers else self._address
        if self._certificates is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, self._certificates.credentials())

    def _inbound(self) -> grpc.GenericRpcHandler:
        servicer = self._servicer
        serve_lookup = partial(self.call_source.serve_lookup, calls=self._calls, method=f"{SERVICE}/Lookup")
        # Bytes in and bytes out: a cached response is sent as it is.
        lookup: dict[str, Any] = {"Lookup": grpc.unary_unary_rpc_method_handler(serve_lookup)}
        handlers: dict[str, Any] = {
            "LookupBatch": grpc.unary_unary_rpc_method_handler(
                servicer.batch, request_deserializer=pb.LookupBatchRequest.FromString
            ),
            "LookupStream": grpc.stream_stream_rpc_method_handler(
                servicer.stream, request_deserializer=pb.LookupStreamRequest.FromString
            ),
            "Explain": grpc.unary_unary_rpc_method_handler(
                servicer.explain,
                request_deserializer=pb.ExplainRequest.FromString,
                response_serializer=pb.ExplainResponse.SerializeToString,
            ),
        }
        return strict_service(SERVICE, handlers, self._calls, lookup)

    def close(self) -> None:
        """Close a server that was never started; do nothing for another one."""
        if not self._thread.is_alive:
            self._loop.close()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
