"""The documentation's dialplans in the Asterisk of a newer Debian."""

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cli.command import ACCOUNTS
from tests.support.waiting import eventually
from tests.switches import dnsmasq
from tests.switches.dnsmasq import Dnsmasq
from tests.switches.places import Place, newer_debian
from tests.switches.ports import free_port, is_bound
from tests.switches.programs import EXAMPLES, ROOT, Program
from tests.switches.routers import Routers

_CONFIGURATION = Path(__file__).parent / "asterisk"
_DEADLINE = "0.8"
"""Seconds for one router, less than the second of the FastAGI dialplan: a loaded machine is no router that is away."""


class FastAgi(Program):
    """The documentation's FastAGI server.

    Args:
        target: of did-router; several by commas.
    """

    def __init__(self, target: str, deadline: str = _DEADLINE) -> None:
        self.port = free_port()
        script = EXAMPLES / "asterisk_fastagi.py"
        env = {"PYTHONPATH": str(ROOT), "DID_LOOKUP_DEADLINE": deadline}
        super().__init__([sys.executable, str(script), target, str(self.port)], Path("/"), env)

    def wait(self) -> None:
        """Wait until it listens."""
        eventually(lambda: is_bound(self.port, "tcp"), 60)


@dataclass(frozen=True)
class Way:
    """One way for Asterisk to ask.

    Attributes:
        example: a file of docs/examples.
        globals: returns what stands in place of the example's own values.
    """

    name: str
    example: str
    globals: Callable[["Asterisk", Routers], dict[str, str]]


def _fastagi(asterisk: "Asterisk", routers: Routers) -> dict[str, str]:
    asterisk.agi = FastAgi(",".join(f"127.0.0.1:{port}" for port in routers.grpc), str(float(_DEADLINE) / 2))
    return {"DID_AGI": f"127.0.0.1:{asterisk.agi.port}"}


def _http(_asterisk: "Asterisk", routers: Routers) -> dict[str, str]:
    urls = {f"DID_ROUTER_{n}": f"http://127.0.0.1:{port}/v1/lookup" for n, port in enumerate(routers.http, 1)}
    return urls | {"DID_DEADLINE": _DEADLINE}


def _enum(_asterisk: "Asterisk", _routers: Routers) -> dict[str, str]:
    return {}


FASTAGI = Way("gRPC by FastAGI", "asterisk_fastagi.conf", _fastagi)
HTTP = Way("HTTP", "asterisk_http.conf", _http)
ENUM = Way("ENUM", "asterisk_enum.conf", _enum)
WAYS = (FASTAGI, HTTP, ENUM)


def why_not(way: Way) -> str | None:
    """Return why a dialplan can't run here, or None where it can."""
    place = newer_debian()
    if place is None or not place.has("asterisk"):
        return "no Asterisk here: make test-switches, as root, brings a newer Debian's into a folder"
    return dnsmasq.why_not() if way is ENUM else None


class Asterisk:
    """Runs with one example as its dialplan; three accounts have a context, which leads to the switch behind.

    Args:
        next_hop: port of the switch behind.
    """

    def __init__(self, way: Way, place: Place, routers: Routers, next_hop: int) -> None:
        assert place.root is not None
        self.port = free_port()
        self.agi: FastAgi | None = None
        self._folder = place.folder(place.root)
        inside = place.inside(self._folder)
        accounts = {f"ACCOUNT_{index}": account for index, account in enumerate(ACCOUNTS)}
        replaced = {"FOLDER": inside, "PORT": str(self.port), "NEXT_HOP": str(next_hop)} | accounts
        for file in _CONFIGURATION.iterdir():
            text = file.read_text()
            for name, value in replaced.items():
                text = text.replace(name, value)
            (self._folder / file.name).write_text(text)
        dialplan = (EXAMPLES / way.example).read_text()
        for name, value in way.globals(self, routers).items():
            dialplan = re.sub(rf"^{name}=.*$", f"{name}={value}", dialplan, flags=re.MULTILINE)
        (self._folder / "dialplan.conf").write_text(dialplan)
        self._resolver = Dnsmasq(self._folder, routers) if way is ENUM else None
        resolv_conf = self._resolver.resolv_conf if self._resolver else None
        asterisk = ("asterisk", "-f", "-vvv", "-C", f"{inside}/asterisk.conf")
        self.log = Program(place.command(*asterisk, resolv_conf=resolv_conf), Path("/"), {"TERM": "dumb"})

    def wait(self) -> None:
        """Wait until it answers."""
        self.log.wait_for("Asterisk Ready", 60)
        if self.agi is not None:
            self.agi.wait()

    def stop(self) -> None:
        """End it and what serves it, and remove what it wrote."""
        self.log.stop()
        for helper in (self.agi, self._resolver):
            if helper is not None:
                helper.stop()
        shutil.rmtree(self._folder)
