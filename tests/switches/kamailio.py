"""The Kamailio of the documentation, as this machine's own package runs it."""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.switches.places import HOST
from tests.switches.ports import free_port
from tests.switches.programs import EXAMPLES, ROOT, Program
from tests.switches.sip import Caller, Dialogue

_MODULES = HOST.module_files("app_python3")


def why_not() -> str | None:
    """Return why the example can't run here, or None where it can."""
    if not shutil.which("kamailio") or not _MODULES:
        return "Kamailio with app_python3 is not installed: make test-switches installs it on Debian"
    if not shutil.which("sipp"):
        return "SIPp is not installed: make test-switches installs it on Debian"
    linked = subprocess.run(["ldd", str(_MODULES[0])], capture_output=True, text=True, check=True).stdout
    ours = "libpython{}.{}".format(*sys.version_info)
    if ours not in linked:
        found = re.search(r"libpython[\d.]+\d", linked)
        return f"Kamailio embeds {found and found[0]}, and these tests run in {ours}: its packages don't fit"
    return None


class Kamailio:
    """Runs `docs/examples/kamailio.cfg` and `kamailio_kemi.py` as they are, on a port of its own.

    Args:
        target: of did-router.
        next_hop: URI of the switch behind it.
        deadline: seconds for a lookup; None keeps the example's.
        children: SIP workers.
    """

    def __init__(
        self, folder: Path, target: str, next_hop: str, *, deadline: float | None = None, children: int = 4
    ) -> None:
        self.port = free_port()
        packages = (str(EXAMPLES), sysconfig.get_path("purelib"), str(ROOT))
        env = {
            "PYTHONPATH": ":".join(packages),
            "DID_LOOKUP_TARGET": target,
            "DID_LOOKUP_NEXT_HOP": next_hop,
        }
        if deadline is not None:
            env["DID_LOOKUP_DEADLINE"] = str(deadline)
        where = ("-l", f"udp:127.0.0.1:{self.port}", "-T", "-n", str(children), "-Y", str(folder))
        script = ("-A", f'SCRIPT="{EXAMPLES / "kamailio_kemi.py"}"')
        command = ("kamailio", "-DD", "-E", "-f", str(EXAMPLES / "kamailio.cfg"), *script, *where)
        self.log = Program([shutil.which("kamailio") or command[0], *command[1:]], folder, env)

    def wait(self) -> None:
        """Wait until it answers."""
        with Caller(self.port) as caller:
            for _ in range(100):
                assert self.log.popen.poll() is None, "\n".join(self.log.lines)
                caller.send(Dialogue(b"ping").request("OPTIONS", self.port))
                if caller.receive(0.5) is not None:
                    assert self.troubles() == []
                    return
        raise AssertionError("Kamailio doesn't answer:\n" + "\n".join(self.log.lines))

    def troubles(self) -> list[str]:
        """Return what it logged of exceptions and errors."""
        return self.log.matching(r"Traceback|\w+Error|ERROR|CRITICAL|exception")

    def stop(self) -> None:
        """End it."""
        self.log.stop()
