"""A grpc.aio server in a thread of its own: the grpcio front, the other methods, health and reflection."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from router.runtime.log_rate_limit import limit_library_logs
from router.server.api.inbound_servicer import InboundServicer
from router.server.api.number_manager_servicer import NumbersServicer
from router.server.auth.authorizer import Doorkeeper, Guard
from router.server.auth.tls_files import Certificates
from router.server.calls.call_source import (
    LONGEST_MESSAGE,
    PING_AFTER,
    PING_TIME_LIMIT,
    AddressTaken,
    taken,
)
from router.server.calls.grpcio import GrpcioFront
from router.server.calls.malformed_requests import CarefulServer, careful_service
from router.v1 import inbound_pb2 as pb
from router.v1 import numbers_pb2_grpc

log = logging.getLogger(__name__)

SERVICE = "router.v1.InboundRouter"
NUMBERS = "router.v1.NumberManager"
_MAX_METADATA = 16 << 10
OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", LONGEST_MESSAGE),
    # A connection that says nothing, not even HTTP/2's preface.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # Read in large pieces, frames that nobody wants make hundreds of megabytes that stay.
    ("grpc.experimental.tcp_read_chunk_size", 8 << 10),
    ("grpc.experimental.tcp_max_read_chunk_size", 64 << 10),
    ("grpc.experimental.tcp_max_read_buffer_size", 64 << 10),
    ("grpc.keepalive_time_ms", PING_AFTER),
    ("grpc.max_metadata_size", _MAX_METADATA),
    # Callers come back and find the workers that there are by then; open calls go on as long as they like.
    ("grpc.max_connection_age_ms", 3_600_000),
    # The kernel's patience with what isn't acknowledged, and grpcio's with a ping that isn't answered.
    ("grpc.keepalive_timeout_ms", PING_TIME_LIMIT),
    ("grpc.http2.ping_timeout_ms", PING_TIME_LIMIT),
    ("grpc.keepalive_permit_without_calls", 1),
    # What the event loop has not begun yet waits inside grpcio. It is refused there: some calls when more than the
    # first number wait, all when more than the second do, and each that waited for so many seconds.
    ("grpc.server.max_pending_requests", 2000),
    ("grpc.server.max_pending_requests_hard_limit", 4000),
    ("grpc.server_max_unrequested_time_in_server", 2),
)
_ACCEPTORS = 4
"""grpcio takes one call, and with its event loop's next step another, so a server that is asked much spends half of its
time waiting for its own threads. Several of them on one port take as many calls in a step: 1.4 times as many were seen
with four, and no more with eight. The kernel spreads connections over them."""
_FORGOTTEN_LATER = 200
"""Calls of a connection that may be ended and not yet forgotten here, beyond those that may be open. Without them who
calls as much as he may loses calls: his next one comes before the last one is forgotten, and is refused (seen: a tenth
of them in bursts of 200, with 100 allowed; with 50 of these still some)."""

_SERVING, _NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class GrpcioServer:
    """Serves on one address from `start` until `stop`.

    Args:
        most: Lookup calls that may wait for their answers.
        streams: calls that one connection may have open; None for any number. With a limit, calls that were taken back
            count until they are forgotten here, so that nobody fills the queue that all share with those.
        idle: seconds that a connection may stay without an open call; None for any time.
        reuse_port: others listen on the port, so this may listen there several times.
        guard: judges every call; None where anybody may ask.
        certificates: for TLS; None for none.
    """

    def __init__(
        self,
        address: str,
        servicer: InboundServicer,
        numbers: NumbersServicer,
        *,
        most: int,
        streams: int | None = None,
        idle: float | None = None,
        reuse_port: bool = False,
        guard: Guard | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self._address = address
        # A port that somebody else listens on must be an error, not half of the calls.
        self._options = [("grpc.so_reuseport", int(reuse_port)), *OPTIONS]
        if streams is not None:
            self._options += [
                ("grpc.max_concurrent_streams", streams),
                ("grpc.http2.max_deallocating_streams", _FORGOTTEN_LATER),
            ]
        if idle is not None:
            self._options.append(("grpc.max_connection_idle_ms", int(idle * 1000)))
        self._acceptors = _ACCEPTORS if reuse_port else 1
        self._servicer = servicer
        self._numbers = numbers
        self._doorkeepers = () if guard is None else (Doorkeeper(guard),)
        self._certificates = certificates
        limit_library_logs()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="grpcio-server", daemon=True)
        self._health = health.aio.HealthServicer()
        self.front = GrpcioFront(self._loop, most)
        self.port = 0
        self._servers: list[grpc.aio.Server] = []

    def start(self) -> None:
        """Listen.

        Raises:
            AddressTaken: the address can't be listened on.
        """
        self._thread.start()
        self._call(self._start())

    def set_serving(self, *, serving: bool, managing: bool) -> None:
        """Tell health checks: whether lookups are answered, and whether numbers can be changed."""

        async def tell() -> None:
            for name, well in (("", serving), (SERVICE, serving), (NUMBERS, managing)):
                await self._health.set(name, _SERVING if well else _NOT_SERVING)

        self._call(tell())

    def stop(self, grace: float) -> None:
        """Take no new calls; give running ones `grace` seconds."""

        async def end() -> None:
            await asyncio.gather(*(each.stop(grace) for each in self._servers))

        self._call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    async def _start(self) -> None:
        for name in ("", SERVICE, NUMBERS):
            await self._health.set(name, _NOT_SERVING)
        for _ in range(self._acceptors):
            server = self._made()
            try:
                self.port = self._bind(server)
            except RuntimeError as problem:
                # Those that listen already would keep what comes to them, and answer nothing.
                await asyncio.gather(*(each.stop(0) for each in self._servers))
                raise AddressTaken(taken(self._address, problem)) from None
            await server.start()
            self._servers.append(server)

    def _made(self) -> grpc.aio.Server:
        server = grpc.aio.server(interceptors=self._doorkeepers, options=self._options)
        server.add_generic_rpc_handlers((self._inbound(),))
        careful: Any = CarefulServer(server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, careful)
        numbers_pb2_grpc.add_NumberManagerServicer_to_server(self._numbers, careful)
        names = (SERVICE, NUMBERS, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
            reflection.aio.ReflectionServicer(names), careful
        )
        return server

    def _bind(self, server: grpc.aio.Server) -> int:
        address = f"{self._address.rpartition(':')[0]}:{self.port}" if self._servers else self._address
        if self._certificates is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, self._certificates.credentials())

    def _inbound(self) -> grpc.GenericRpcHandler:
        servicer = self._servicer
        # Bytes in and bytes out: a cached answer is passed on as it is.
        handlers: dict[str, Any] = {
            "Lookup": grpc.unary_unary_rpc_method_handler(self.front.handle),
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
        return careful_service(SERVICE, handlers)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
