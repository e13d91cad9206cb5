"""Transports: grpcio for all methods, or the native call source for Lookup and grpcio for all others."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self

from router.runtime.addresses import is_loopback
from router.server.api.inbound_servicer import InboundServicer
from router.server.api.number_manager_servicer import NumbersServicer
from router.server.auth.authorizer import Authorizer
from router.server.auth.tls_files import Certificates
from router.server.calls.call_source import CallSource
from router.server.calls.grpcio_server import GrpcioServer
from router.server.calls.native import NativeCallSource, is_installed
from router.server.observation.calls import CallStatistics
from router.server.observation.observation import Observation
from router.settings import Settings, SettingsError

UNIX_PREFIX = "unix:"
"""Prefix of a Unix socket's address; workers behind the edge listen on one."""
_LAST_CALLS = 0.2
"""Seconds between NOT_SERVING and the end of listening, for calls on their way."""
_MIN_CLOSE_TIME = 0.5
"""Minimum seconds for the native source to find a moment without a call, even after the grace period."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Limits on callers.

    Attributes:
        max_queued_calls: Lookup calls that may wait for their results.
        max_concurrent_streams: calls that one connection may have open.
        idle_timeout: seconds that a connection may stay without an open call.
    """

    max_queued_calls: int
    max_concurrent_streams: int
    idle_timeout: float

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read the settings."""
        return cls(
            settings.lookup.max_queued_calls,
            settings.connections.max_concurrent_streams,
            settings.connections.idle_timeout,
        )


class Transport(Protocol):
    """Listens on the service's address.

    Attributes:
        NAME: as the setting `transport` has it.
    """

    NAME: ClassVar[str]

    @property
    def call_source(self) -> CallSource:
        """The source of Lookup calls."""

    @property
    def port(self) -> int:
        """The bound port."""

    def statistics(self) -> CallStatistics:
        """Return the counts of gRPC calls."""

    @property
    def core(self) -> int | None:
        """The core that handles its calls; None for any core."""

    def start(self) -> None:
        """Listen; raises OSError when the address can't be listened on."""

    def close(self) -> None:
        """Close a transport that was never started; do nothing for another one."""

    def set_serving(self, *, serving: bool, managing: bool) -> None:
        """Set the health services' status: of lookups, and of changes to numbers."""

    def stop(self, grace: float) -> None:
        """Accept no new calls; give running calls `grace` seconds."""


class GrpcioTransport:
    """Serves all methods by grpcio."""

    NAME: ClassVar = "grpcio"
    core = None
    """Its event loop gains nothing from pinning."""

    def __init__(
        self,
        address: str,
        servicer: InboundServicer,
        numbers: NumbersServicer,
        *,
        limits: CallLimits,
        observation: Observation,
        reuse_port: bool,
        authorizer: Authorizer | None,
        certificates: Certificates | None,
    ) -> None:
        self._server = GrpcioServer(
            address,
            servicer,
            numbers,
            max_queued_calls=limits.max_queued_calls,
            observation=observation,
            max_concurrent_streams=limits.max_concurrent_streams,
            idle_timeout=limits.idle_timeout,
            reuse_port=reuse_port,
            authorizer=authorizer,
            certificates=certificates,
        )
        self._calls = observation.grpc
        self.call_source = self._server.call_source
        self.set_serving = self._server.set_serving

    @property
    def port(self) -> int:
        """The bound port."""
        return self._server.port

    def statistics(self) -> CallStatistics:
        """Return the counts of gRPC calls."""
        return self._calls.all()

    def start(self) -> None:
        """Listen."""
        self._server.start()

    def close(self) -> None:
        """Close a transport that was never started; do nothing for another one."""
        self._server.close()

    def stop(self, grace: float) -> None:
        """Accept no new calls; give running calls `grace` seconds."""
        self._server.stop(grace)


class NativeTransport:
    """Serves Lookup by the native call source, and all other methods by grpcio on a Unix socket."""

    NAME: ClassVar = "native"

    def __init__(
        self,
        address: str,
        servicer: InboundServicer,
        numbers: NumbersServicer,
        *,
        limits: CallLimits,
        observation: Observation,
        reuse_port: bool,
        core: int | None,
        authorizer: Authorizer | None,
    ) -> None:
        self.core = core
        self._directory = tempfile.TemporaryDirectory(prefix="did-router-")
        path = str(Path(self._directory.name) / "grpcio.sock")
        self._others = GrpcioServer(
            f"unix:{path}",
            servicer,
            numbers,
            max_queued_calls=limits.max_queued_calls,
            observation=observation,
            authorizer=authorizer,
        )
        self._calls = observation.grpc
        try:
            self._native = NativeCallSource(
                address,
                path,
                max_concurrent_streams=limits.max_concurrent_streams,
                reuse_port=reuse_port,
                core=core,
                authorizer=authorizer,
                is_traced=observation.tracer is not None,
            )
        except BaseException:  # such as an address in use: `stop` will not be called
            self._others.close()
            self._directory.cleanup()
            raise
        self._is_started = False
        self.call_source: CallSource = self._native
        self.set_serving = self._others.set_serving

    @property
    def port(self) -> int:
        """The bound port."""
        return self._native.port

    def statistics(self) -> CallStatistics:
        """Return the counts of gRPC calls: Lookup's from the native library, the others' from grpcio."""
        return self._native.statistics() + self._calls.all()

    def start(self) -> None:
        """Listen."""
        self._is_started = True
        self._others.start()
        self._native.start()

    def close(self) -> None:
        """Close a transport that was never started; do nothing for another one."""
        if not self._is_started:
            self._others.close()
            self._native.close(0)
            self._directory.cleanup()

    def stop(self, grace: float) -> None:
        """Finish running calls and those on their way."""
        end = time.monotonic() + grace
        time.sleep(min(_LAST_CALLS, grace))
        self._others.stop(_remaining(end))
        self._native.close(max(_remaining(end), min(_MIN_CLOSE_TIME, grace)))
        self._directory.cleanup()


def _remaining(end: float) -> float:
    return max(0.0, end - time.monotonic())


def open_transport(
    settings: Settings,
    servicer: InboundServicer,
    numbers: NumbersServicer,
    *,
    observation: Observation,
    reuse_port: bool,
    core: int | None = None,
    authorizer: Authorizer | None = None,
    certificates: Certificates | None = None,
) -> Transport:
    """Return the transport that the settings select.

    `auto` selects native where it is installed, TLS is off, and only this machine can connect: native decompresses
    without a limit, so that one megabyte from a stranger can become a gigabyte here. The edge refuses compressed
    messages; `serve` runs it in front of workers on Unix sockets, which count as this machine.

    Args:
        observation: what counts the calls.
        reuse_port: other workers listen on the same address.
        core: pins the native source's threads; None for any core.

    Raises:
        SettingsError: the settings select native where it is not installed, or the edge outside of `serve`.
        OSError: the address can't be listened on.
    """
    if settings.server.transport == "edge":
        raise SettingsError("setting 'transport': only did-router serve runs an edge; set it to auto here")
    limits = CallLimits.from_settings(settings)
    can_use_native = certificates is None and is_installed() and is_loopback(settings.server.listen)
    use_native = can_use_native if settings.server.transport == "auto" else settings.server.transport == "native"
    if use_native and not is_installed():
        raise SettingsError("setting 'transport': native is not installed; pip install 'did-router[native]'")
    if use_native:
        return NativeTransport(
            settings.server.listen,
            servicer,
            numbers,
            limits=limits,
            observation=observation,
            reuse_port=reuse_port,
            core=core,
            authorizer=authorizer,
        )
    return GrpcioTransport(
        settings.server.listen,
        servicer,
        numbers,
        limits=limits,
        observation=observation,
        reuse_port=reuse_port,
        authorizer=authorizer,
        certificates=certificates,
    )
