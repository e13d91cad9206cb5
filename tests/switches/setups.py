"""Every switch and way that runs here, started alike: two did-routers, the switch, and the next hop behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.switches import asterisks, kamailio, stock_kamailio
from tests.switches.asterisks import Asterisk
from tests.switches.kamailio import Kamailio
from tests.switches.places import HOST, Place, newer_debian
from tests.switches.routers import Routers
from tests.switches.stock_kamailio import StockKamailio


class Switch(Protocol):
    """A running switch."""

    port: int

    def wait(self) -> None:
        """Wait until it answers."""

    def stop(self) -> None:
        """End it."""


@dataclass(frozen=True)
class Setup:
    """A switch that asks in one way.

    Attributes:
        reason: why it can't run here, or None where it can.
        start: starts it, given a folder, the routers and the next hop's port.
    """

    switch: str
    way: str
    reason: str | None
    start: Callable[[Path, Routers, int], Switch]

    @property
    def name(self) -> str:
        """Both, for titles and the names of tests."""
        return f"{self.switch}, {self.way}"


def _kemi(folder: Path, routers: Routers, next_hop: int) -> Kamailio:
    target = ",".join(f"127.0.0.1:{port}" for port in routers.grpc)
    return Kamailio(folder, target, f"sip:127.0.0.1:{next_hop}")


def _stock(switch: str, way: stock_kamailio.Way, place: Place | None) -> Setup:
    reason = stock_kamailio.why_not(way, place) if place else "no newer Debian here: make test-switches brings it"
    return Setup(switch, way.name, reason, lambda *given: StockKamailio(way, place or HOST, *given))


def _asterisk(way: asterisks.Way) -> Setup:
    def start(_folder: Path, routers: Routers, next_hop: int) -> Asterisk:
        place = newer_debian()
        assert place is not None
        return Asterisk(way, place, routers, next_hop)

    return Setup("Asterisk 22", way.name, asterisks.why_not(way), start)


SETUPS = [
    Setup("Kamailio 5.6", "gRPC by KEMI", kamailio.why_not(), _kemi),
    *(_stock("Kamailio 5.6", way, HOST) for way in stock_kamailio.WAYS if way is not stock_kamailio.HTTP_ASYNC),
    *(_stock("Kamailio 6.1", way, newer_debian()) for way in stock_kamailio.WAYS),
    *map(_asterisk, asterisks.WAYS),
]
