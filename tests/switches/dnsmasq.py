"""The documentation's dnsmasq, which switches ask by ENUM."""

import os
import re
from pathlib import Path

from tests.switches.places import HOST
from tests.switches.ports import free_dns_address
from tests.switches.programs import EXAMPLES, Program
from tests.switches.routers import Routers


def why_not() -> str | None:
    """Return why it can't run here, or None where it can."""
    if os.geteuid() != 0:
        return "switches ask port 53, which needs root"
    return None if HOST.has("dnsmasq") else "dnsmasq is not installed: make test-switches installs it on Debian"


class Dnsmasq:
    """Runs `docs/examples/dnsmasq.conf` with addresses of its own.

    Attributes:
        resolv_conf: names it to a switch.
    """

    def __init__(self, folder: Path, routers: Routers) -> None:
        address = free_dns_address()
        ports = iter(routers.enum)
        text = (EXAMPLES / "dnsmasq.conf").read_text().replace("127.0.53.1", address)
        text = re.sub(r"(?<=^server=/e164.arpa/).*$", lambda _: f"127.0.0.1#{next(ports)}", text, flags=re.MULTILINE)
        configuration = folder / "dnsmasq.conf"
        configuration.write_text(text)
        self.resolv_conf = folder / "resolv.conf"
        self.resolv_conf.write_text((EXAMPLES / "resolv.conf").read_text().replace("127.0.53.1", address))
        options = (
            "--keep-in-foreground",
            "--log-facility=-",
            "--pid-file=",
            "--user=root",
            "--no-hosts",
            "--no-resolv",
        )
        self._program = Program(["dnsmasq", *options, f"--conf-file={configuration}"], folder, {})
        self._program.wait_for("started")

    def stop(self) -> None:
        """End it."""
        self._program.stop()
