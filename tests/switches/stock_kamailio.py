"""The examples that need nothing but Kamailio's own modules, as this machine's own package runs them."""

import shutil
from pathlib import Path

from tests.switches.programs import EXAMPLES, Program, free_port
from tests.switches.sip import Caller, Dialogue

REDIRECT, HTTP = "kamailio_redirect.cfg", "kamailio_http.cfg"
_WANTED = {REDIRECT: ("dispatcher",), HTTP: ("http_client", "jansson")}


def _quoted(value: str) -> str:
    """A define is a text in quotation marks, but for a number."""
    return value if value.isdigit() else f'"{value}"'


def why_not(example: str) -> str | None:
    """Return why an example can't run here, or None where it can."""
    if not shutil.which("kamailio") or not shutil.which("sipp"):
        return "Kamailio and SIPp are not installed: make test-switches installs them on Debian"
    for module in _WANTED[example]:
        if not any(Path("/usr").glob(f"lib*/**/kamailio/modules/{module}.so")):
            return f"Kamailio's module {module} is not installed: make test-switches installs it on Debian"
    return None


class StockKamailio:
    """Runs an example as it is, on a port of its own.

    Args:
        example: a file of docs/examples.
        defines: in place of the example's own, by name.
    """

    def __init__(self, example: str, folder: Path, **defines: str) -> None:
        self.port = free_port()
        given = [word for name, value in defines.items() for word in ("-A", f"{name}={_quoted(value)}")]
        where = ("-l", f"udp:127.0.0.1:{self.port}", "-T", "-n", "4", "-Y", str(folder))
        program = shutil.which("kamailio")
        assert program is not None
        self.log = Program([program, "-DD", "-E", "-f", str(EXAMPLES / example), *given, *where], folder, {})

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
        """End it."""
        self.log.stop()
