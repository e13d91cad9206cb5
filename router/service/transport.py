"""What listens: the grpcio front alone, or the native front with grpcio behind it for everything else."""

import tempfile
import time
from pathlib import Path
from typing import Protocol

from router.service.certificates import Certificates
from router.service.farewell import see_off, stop_listening
from router.service.front import Front
from router.service.grpcio_server import GrpcioServer
from router.service.guard import Guard
from router.service.inbound import InboundServicer
from router.service.native_front import NativeFront, is_installed
from router.service.numbers import NumbersServicer
from router.settings import Settings, SettingsError

_LAST_CALLS = 0.2
"""Seconds between NOT_SERVING and the end of listening, for calls that are on their way."""
_FINAL_MOMENT = 0.5
"""Seconds in which the native front looks for a moment without a call, even when the time to leave is over."""


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
        most: int,
        reuse_port: bool,
        guard: Guard | None,
        certificates: Certificates | None,
    ) -> None:
        self._server = GrpcioServer(
            address, servicer, numbers, most=most, reuse_port=reuse_port, guard=guard, certificates=certificates
        )
        self._may_see_off = certificates is None
        """Into an encrypted connection nothing can be written from outside."""
        self.front = self._server.front
        self.start = self._server.start
        self.set_serving = self._server.set_serving

    @property
    def port(self) -> int:
        """The port that was bound."""
        return self._server.port

    def stop(self, grace: float) -> None:
        """Take no new calls; give running ones `grace` seconds."""
        end = time.monotonic() + grace
        if self._may_see_off:
            stop_listening(self.port)
            see_off(self.port, grace)
        self._server.stop(_left(end))


class NativeTransport:
    """Lookup by the native front; everything else by grpcio on a Unix socket."""

    def __init__(
        self,
        address: str,
        servicer: InboundServicer,
        numbers: NumbersServicer,
        *,
        most: int,
        reuse_port: bool,
        core: int | None,
        guard: Guard | None,
    ) -> None:
        self.core = core
        self._folder = tempfile.TemporaryDirectory(prefix="did-router-")
        path = str(Path(self._folder.name) / "grpcio.sock")
        self._others = GrpcioServer(f"unix:{path}", servicer, numbers, most=most, guard=guard)
        self._front = NativeFront(address, path, reuse_port=reuse_port, core=core, guard=guard)
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
        """Stop listening once calls that are on their way have had a moment, then let the others finish."""
        end = time.monotonic() + grace
        time.sleep(min(_LAST_CALLS, grace))
        self._front.stop_listening()
        see_off(self.port, _left(end))
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
    """The transport that the settings ask for; `auto` takes native where it is installed and TLS is off.

    Args:
        reuse_port: other workers listen there too.
        core: where the native front stays; None for anywhere.

    Raises:
        SettingsError: native is asked for and not installed.
        OSError: the address can't be had.
    """
    most = settings.calls_waiting
    free = certificates is None and is_installed()
    native = free if settings.transport == "auto" else settings.transport == "native"
    if native and not is_installed():
        raise SettingsError("setting 'transport': native is not installed; pip install 'did-router[native]'")
    if native:
        return NativeTransport(
            settings.listen, servicer, numbers, most=most, reuse_port=reuse_port, core=core, guard=guard
        )
    return GrpcioTransport(
        settings.listen, servicer, numbers, most=most, reuse_port=reuse_port, guard=guard, certificates=certificates
    )
