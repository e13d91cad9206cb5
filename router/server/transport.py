"""What listens: the grpcio front alone, or the native front with grpcio behind it for everything else."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from router.server.api.inbound_servicer import InboundServicer
from router.server.api.number_manager_servicer import NumbersServicer
from router.server.auth.authorizer import Guard
from router.server.auth.bind_policy import is_loopback
from router.server.auth.tls_files import Certificates
from router.server.calls.call_source import Front
from router.server.calls.grpcio_server import GrpcioServer
from router.server.calls.native import NativeFront, is_installed
from router.settings import Settings, SettingsError

UNIX = "unix:"
"""Begins an address that is a Unix socket: where workers listen behind the edge."""
_LAST_CALLS = 0.2
"""Seconds between NOT_SERVING and the end of listening, for calls that are on their way."""
_FINAL_MOMENT = 0.5
"""Seconds in which the native front looks for a moment without a call, even when the time to leave is over."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What callers may have at a time.

    Attributes:
        waiting: Lookup calls that may wait for their answers.
        streams: calls that one connection may have open.
        idle: seconds that a connection may stay without an open call.
    """

    waiting: int
    streams: int
    idle: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What the settings say."""
        return cls(
            settings.lookup.max_queued_calls,
            settings.connections.max_concurrent_streams,
            settings.connections.idle_timeout,
        )


class Transport(Protocol):
    """Listens on the service's address."""

    @property
    def front(self) -> Front:
        """Where Lookup calls arrive."""

    @property
    def port(self) -> int:
        """The port that was bound."""

    @property
    def core(self) -> int | None:
        """The core on which its calls are handled; None for anywhere."""

    def start(self) -> None:
        """Listen; OSError when the address can't be had."""

    def set_serving(self, *, serving: bool, managing: bool) -> None:
        """Tell health checks: whether lookups are answered, and whether numbers can be changed."""

    def stop(self, grace: float) -> None:
        """Take no new calls; give running ones `grace` seconds."""


class GrpcioTransport:
    """Everything by grpcio."""

    core = None
    """Its event loop gains nothing from a core of its own."""

    def __init__(
        self,
        address: str,
        servicer: InboundServicer,
        numbers: NumbersServicer,
        *,
        limits: Limits,
        reuse_port: bool,
        guard: Guard | None,
        certificates: Certificates | None,
    ) -> None:
        self._server = GrpcioServer(
            address,
            servicer,
            numbers,
            most=limits.waiting,
            streams=limits.streams,
            idle=limits.idle,
            reuse_port=reuse_port,
            guard=guard,
            certificates=certificates,
        )
        self.front = self._server.front
        self.set_serving = self._server.set_serving

    @property
    def port(self) -> int:
        """The port that was bound."""
        return self._server.port

    def start(self) -> None:
        """Listen."""
        self._server.start()

    def stop(self, grace: float) -> None:
        """Take no new calls; give running ones `grace` seconds."""
        self._server.stop(grace)


class NativeTransport:
    """Lookup by the native front; everything else by grpcio on a Unix socket."""

    def __init__(
        self,
        address: str,
        servicer: InboundServicer,
        numbers: NumbersServicer,
        *,
        limits: Limits,
        reuse_port: bool,
        core: int | None,
        guard: Guard | None,
    ) -> None:
        self.core = core
        self._folder = tempfile.TemporaryDirectory(prefix="did-router-")
        path = str(Path(self._folder.name) / "grpcio.sock")
        self._others = GrpcioServer(f"unix:{path}", servicer, numbers, most=limits.waiting, guard=guard)
        self._front = NativeFront(address, path, streams=limits.streams, reuse_port=reuse_port, core=core, guard=guard)
        self.front: Front = self._front
        self.set_serving = self._others.set_serving

    @property
    def port(self) -> int:
        """The port that was bound."""
        return self._front.port

    def start(self) -> None:
        """Listen."""
        self._others.start()
        self._front.start()

    def stop(self, grace: float) -> None:
        """Let running calls finish, and those that are on their way."""
        end = time.monotonic() + grace
        time.sleep(min(_LAST_CALLS, grace))
        self._others.stop(_left(end))
        self._front.close(max(_left(end), min(_FINAL_MOMENT, grace)))
        self._folder.cleanup()


def _left(end: float) -> float:
    return max(0.0, end - time.monotonic())


def open_transport(
    settings: Settings,
    servicer: InboundServicer,
    numbers: NumbersServicer,
    *,
    reuse_port: bool,
    core: int | None = None,
    guard: Guard | None = None,
    certificates: Certificates | None = None,
) -> Transport:
    """The transport that the settings ask for.

    `auto` takes native where it is installed, TLS is off, and only this machine reaches it: what native unpacks has no
    limit, so that one megabyte from a stranger can become a gigabyte here. The edge refuses what is packed; `serve`
    runs it before workers on Unix sockets, of which this is one.

    Args:
        reuse_port: other workers listen there too.
        core: where the native front stays; None for anywhere.

    Raises:
        SettingsError: native is asked for and not installed, or the edge outside of `serve`.
        OSError: the address can't be had.
    """
    if settings.server.transport == "edge":
        raise SettingsError("setting 'transport': only did-router serve runs an edge; set it to auto here")
    limits = Limits.of(settings)
    free = certificates is None and is_installed() and is_loopback(settings.server.listen)
    native = free if settings.server.transport == "auto" else settings.server.transport == "native"
    if native and not is_installed():
        raise SettingsError("setting 'transport': native is not installed; pip install 'did-router[native]'")
    if native:
        return NativeTransport(
            settings.server.listen, servicer, numbers, limits=limits, reuse_port=reuse_port, core=core, guard=guard
        )
    return GrpcioTransport(
        settings.server.listen,
        servicer,
        numbers,
        limits=limits,
        reuse_port=reuse_port,
        guard=guard,
        certificates=certificates,
    )
