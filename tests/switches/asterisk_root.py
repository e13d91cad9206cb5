"""The Asterisk of a newer Debian in a folder, and the FastAGI server of the documentation."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.cli.command import ACCOUNTS
from tests.switches.programs import EXAMPLES, ROOT, Program, free_port

_CONFIGURATION = Path(__file__).parent / "asterisk"


def asterisk_root() -> Path | None:
    """Return the folder that `make test-switches` names, where it holds an Asterisk and we may chroot."""
    root = Path(os.environ.get("SWITCHES_ROOT", "/nonexistent"))
    return root if os.geteuid() == 0 and (root / "usr/sbin/asterisk").exists() else None


class Asterisk:
    """Runs with the documentation's `asterisk_extensions.conf`; one account has a context.

    Args:
        root: what it runs in.
    """

    def __init__(self, root: Path) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="did-router-asterisk-", dir=root / "tmp"))
        inside = "/" + str(self._folder.relative_to(root))
        replaced = {"FOLDER": inside, "PORT": str(self.port), "ACCOUNT": ACCOUNTS[0]}
        for file in _CONFIGURATION.iterdir():
            text = file.read_text()
            for name, value in replaced.items():
                text = text.replace(name, value)
            (self._folder / file.name).write_text(text)
        shutil.copy(EXAMPLES / "asterisk_extensions.conf", self._folder)
        command = ["chroot", str(root), "asterisk", "-f", "-vvv", "-C", f"{inside}/asterisk.conf"]
        self.log = Program(command, Path("/"), {"TERM": "dumb"})

    def stop(self) -> None:
        """End it, and remove what it wrote."""
        self.log.stop()
        shutil.rmtree(self._folder)


class FastAgi(Program):
    """The documentation's FastAGI server, on the port that its dialplan names."""

    def __init__(self, target: str, *, deadline: float | None = None) -> None:
        env = {"PYTHONPATH": str(ROOT)} | ({} if deadline is None else {"DID_LOOKUP_DEADLINE": str(deadline)})
        script = EXAMPLES / "asterisk_fastagi.py"
        super().__init__([sys.executable, str(script), target, "4573"], Path("/"), env)
