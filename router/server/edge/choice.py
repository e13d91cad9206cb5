"""Chooses the transport of `serve`."""

from dataclasses import dataclass
from pathlib import Path

from router.runtime.addresses import is_loopback
from router.server.calls import native
from router.server.edge.process import find_envoy
from router.settings import Settings, SettingsError

_INSTALL = "pip install 'did-router[edge]', or put envoy on the PATH"
EDGE, NATIVE, GRPCIO = "edge", "native", "grpcio"


@dataclass(frozen=True, slots=True)
class TransportChoice:
    """The chosen transport.

    Attributes:
        transport: edge, native or grpcio.
        envoy: Envoy's binary; None where `serve` does not run it.
        note: a sentence for operators; may be empty.
    """

    transport: str
    envoy: Path | None = None
    note: str = ""


def choose_transport(settings: Settings) -> TransportChoice:
    """Choose the transport of `serve`.

    Raises:
        SettingsError: the selected transport is not installed.
    """
    if settings.server.transport == EDGE or (settings.server.transport == "auto" and _is_exposed(settings)):
        return _edge(settings)
    if settings.server.transport == "auto":
        return TransportChoice(NATIVE if native.is_installed() else GRPCIO)
    return TransportChoice(settings.server.transport)


def _is_exposed(settings: Settings) -> bool:
    return settings.tls.enabled or not is_loopback(settings.server.listen)


def _edge(settings: Settings) -> TransportChoice:
    if settings.edge.external:
        return TransportChoice(EDGE, note=f"Envoy is run from elsewhere, with the files in {settings.edge.directory}")
    envoy = find_envoy()
    if envoy is not None:
        return TransportChoice(EDGE, envoy)
    if settings.server.transport == EDGE:
        raise SettingsError(f"setting 'transport': Envoy is not installed; {_INSTALL}")
    return TransportChoice(
        GRPCIO,
        note=f"without Envoy grpcio listens: a multiple of the CPU time a call, and no bounds for strangers beyond its "
        f"own; {_INSTALL}",
    )
