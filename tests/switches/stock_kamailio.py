"""The examples that need nothing but Kamailio's own modules."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.switches import dnsmasq
from tests.switches.dnsmasq import Dnsmasq
from tests.switches.places import HOST, Place
from tests.switches.ports import free_port
from tests.switches.programs import EXAMPLES, Program
from tests.switches.routers import Routers
from tests.switches.sip import Caller, Dialogue

PROXY = "kamailio_proxy.cfg"
DEADLINE = "1000"
"""Milliseconds for one router: a loaded machine must not look like a router that is away."""


@dataclass(frozen=True)
class Way:
    """One way for a stock Kamailio to ask.

    Attributes:
        example: a file of docs/examples.
        modules: that it needs beside those that every Kamailio has.
        defines: returns what stands in place of the example's own.
    """

    name: str
    example: str
    modules: tuple[str, ...]
    defines: Callable[[Routers, Path, str], dict[str, str]]
    knows_pending_ports: bool = True


def _redirect(routers: Routers, folder: Path, inside: str) -> dict[str, str]:
    lines = [f"1 sip:127.0.0.1:{port} 0 {10 - index}" for index, port in enumerate(routers.sip)]
    (folder / "dispatcher.list").write_text("\n".join(lines) + "\n")
    return {"DISPATCHER_LIST": f"{inside}/dispatcher.list", "DEADLINE": DEADLINE}


def _http(routers: Routers, _folder: Path, _inside: str) -> dict[str, str]:
    return {f"DID_ROUTER_{n}": f"did{n}=>http://127.0.0.1:{port}/v1/lookup" for n, port in enumerate(routers.http, 1)}


def _http_async(routers: Routers, _folder: Path, _inside: str) -> dict[str, str]:
    urls = {f"DID_ROUTER_{n}": f"http://127.0.0.1:{port}/v1/lookup" for n, port in enumerate(routers.http, 1)}
    return urls | {"DEADLINE": DEADLINE}


def _enum(_routers: Routers, _folder: Path, _inside: str) -> dict[str, str]:
    return {}


REDIRECT = Way("redirect", "kamailio_redirect.cfg", ("dispatcher",), _redirect)
HTTP = Way("HTTP", "kamailio_http.cfg", ("http_client", "htable", "jansson"), _http)
HTTP_ASYNC = Way(
    "HTTP, not blocking", "kamailio_http_async.cfg", ("http_async_client", "htable", "jansson"), _http_async
)
ENUM = Way("ENUM", "kamailio_enum.cfg", ("enum",), _enum, knows_pending_ports=False)
WAYS = (REDIRECT, HTTP, HTTP_ASYNC, ENUM)


def _quoted(value: str) -> str:
    """A define is a text in quotation marks, but for a number."""
    return value if value.isdigit() else f'"{value}"'


def why_not(way: Way, place: Place) -> str | None:
    """Return why an example can't run in a place, or None where it can."""
    if not place.has("kamailio") or not HOST.has("sipp"):
        return "Kamailio and SIPp are not installed: make test-switches installs them on Debian"
    lacking = set(way.modules) - place.modules()
    if lacking:
        return f"Kamailio's {', '.join(lacking)} is not on {place.name}: make test-switches installs what Debian has"
    if way is ENUM:
        return dnsmasq.why_not()
    return None


class StockKamailio:
    """Runs an example as it is, on a port of its own.

    Args:
        folder: for its files; in a newer Debian it makes one there.
        next_hop: port of the switch behind it.
        children: SIP workers.
    """

    def __init__(
        self, way: Way, place: Place, folder: Path, routers: Routers, next_hop: int, children: int = 4
    ) -> None:
        self.port = free_port()
        self.way = way
        self._own = place.folder(folder)
        inside = place.inside(self._own)
        for file in (way.example, PROXY):
            shutil.copy(EXAMPLES / file, self._own)
        patient = {"DEADLINE": DEADLINE} if way is HTTP and place is not HOST else {}  # 5.6 takes whole seconds
        given = patient | way.defines(routers, self._own, inside) | {"NEXT_HOP": f"sip:127.0.0.1:{next_hop}"}
        defined = [word for name, value in given.items() for word in ("-A", f"{name}={_quoted(value)}")]
        where = ("-l", f"udp:127.0.0.1:{self.port}", "-T", "-n", str(children), "-Y", inside)
        command = ("kamailio", "-DD", "-E", "-f", f"{inside}/{way.example}", *defined, *where)
        self._resolver = Dnsmasq(self._own, routers) if way is ENUM else None
        resolv_conf = self._resolver.resolv_conf if self._resolver else None
        self.log = Program(place.command(*command, resolv_conf=resolv_conf), folder, {})
        self._is_copy = place.root is not None

    def wait(self) -> None:
        """Wait until it answers."""
        with Caller(self.port) as caller:
            for _ in range(100):
                assert self.log.popen.poll() is None, "\n".join(self.log.lines)
                caller.send(Dialogue(b"ping").request("OPTIONS", self.port))
                if caller.receive(0.5) is not None:
                    return
        raise AssertionError("Kamailio doesn't answer:\n" + "\n".join(self.log.lines))

    def stop(self) -> None:
        """End it, and remove what was copied for it."""
        self.log.stop()
        if self._resolver is not None:
            self._resolver.stop()
        if self._is_copy:
            shutil.rmtree(self._own)
