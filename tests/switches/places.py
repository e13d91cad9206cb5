"""The places of installed switches: this machine, and a newer Debian's folder."""

import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """An installation of switches.

    Attributes:
        name: for the names of tests.
        root: the folder that is the root of its file system; None is this machine's own.
    """

    name: str
    root: Path | None

    def has(self, program: str) -> bool:
        """Return whether a program is installed."""
        if self.root is None:
            return shutil.which(program) is not None
        return any((self.root / folder / program).exists() for folder in ("usr/sbin", "usr/bin"))

    def modules(self) -> set[str]:
        """Return the names of Kamailio's modules."""
        return {file.stem for file in self.module_files("*")}

    def module_files(self, pattern: str) -> list[Path]:
        """Return the files of Kamailio's modules whose names match."""
        folders = ("usr/lib*", "usr/lib*/*", "usr/local/lib*")  # not **: /usr/lib is large
        root = self.root or Path("/")
        return [file for folder in folders for file in root.glob(f"{folder}/kamailio/modules/{pattern}.so")]

    def folder(self, fallback: Path) -> Path:
        """Return a folder that its programs can read: `fallback` on this machine."""
        if self.root is None:
            return fallback
        made = Path(tempfile.mkdtemp(prefix="did-router-", dir=self.root / "tmp"))
        made.chmod(0o755)
        return made

    def inside(self, path: Path) -> str:
        """Return a path as its programs see it."""
        return str(path if self.root is None else Path("/") / path.relative_to(self.root))

    def command(self, *arguments: str, resolv_conf: Path | None = None) -> list[str]:
        """Return the command line that runs a program there, with an /etc/resolv.conf of its own where one is given."""
        entered = list(arguments) if self.root is None else ["chroot", str(self.root), *arguments]
        if resolv_conf is None:
            return entered
        target = (self.root or Path("/")) / "etc/resolv.conf"
        mount = shlex.join(["mount", "--bind", str(resolv_conf), str(target)])
        return ["unshare", "--mount", "sh", "-c", f"{mount} && exec {shlex.join(entered)}"]


HOST = Place("this machine", None)


def newer_debian() -> Place | None:
    """Return the folder that `make test-switches` names, where it exists and may be entered."""
    root = Path(os.environ.get("SWITCHES_ROOT", "/nonexistent"))
    return Place("newer Debian", root) if os.geteuid() == 0 and root.is_dir() else None
