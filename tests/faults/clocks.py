"""The wall clock of a process, set forward and back while it runs; its monotonic clock goes on as it should.

A few lines of C stand in libc's place, so that what the process' libraries ask for jumps too, not Python alone.
(libfaketime 0.9.10 does not do: with it, Python's `time.sleep` fails.)
"""

import atexit
import functools
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")
MISSING = "there is no C compiler, so clocks can't jump (Debian: apt-get install gcc libc6-dev)"


@functools.cache
def library() -> str | None:
    """Return the library to preload; None where it can't be compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    folder = tempfile.mkdtemp(prefix="did-router-clock-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = Path(folder) / "clock.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(made), str(_SOURCE), "-ldl"]
    return str(made) if subprocess.run(command, capture_output=True, check=False).returncode == 0 else None


class Clock:
    """One that may be set.

    Attributes:
        environment: for the process that goes by it, and all that it starts.
    """

    def __init__(self, file: Path) -> None:
        preloaded = library()
        assert preloaded is not None, MISSING
        self._file = file
        self.set(0)
        self.environment = {"LD_PRELOAD": preloaded, "FAULTS_CLOCK": str(file)}

    def set(self, seconds: int) -> None:
        """Have it differ from the machine's by so much."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))
