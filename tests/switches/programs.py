"""Switches and SIPp as processes of the tests."""

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cli.command import environment
from tests.support.waiting import eventually
from tests.switches.ports import is_bound

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
SCENARIOS = Path(__file__).parent / "scenarios"


class Program:
    """A process whose output is kept.

    Args:
        arguments: the command line.
        folder: where it runs.
        env: variables beside the tests' own.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.lines: list[str] = []
        self.popen = subprocess.Popen(
            arguments,
            cwd=folder,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # a signal to the group of the tests does not reach it
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def matching(self, pattern: str) -> list[str]:
        """Return the lines in which a pattern is found."""
        return [line for line in list(self.lines) if re.search(pattern, line)]

    def wait_for(self, pattern: str, seconds: float = 30) -> str:
        """Wait for a line and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.popen.poll() is None:
            if found := self.matching(pattern):
                return found[0]
            time.sleep(0.02)
        raise AssertionError(f"no line like {pattern!r}, but:\n" + "\n".join(self.lines))

    def stop(self) -> None:
        """End it, whatever it does."""
        self.popen.terminate()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self._reader.join(5)

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.lines.append(line.rstrip("\n"))


class Sipp:
    """One run of SIPp; it ends by itself after its calls.

    Args:
        scenario: a file of `scenarios/`, without its ending.
        folder: for the messages that it writes.
        arguments: further ones.
        seconds: after which it ends with an error.
    """

    def __init__(self, scenario: str, folder: Path, *arguments: str, calls: int = 1, seconds: int = 60) -> None:
        self._seconds = seconds
        self._messages, self._errors = folder / f"{scenario}.messages", folder / f"{scenario}.errors"
        program = shutil.which("sipp")
        assert program is not None
        file = str(SCENARIOS / f"{scenario}.xml")
        fixed = ("-sf", file, "-i", "127.0.0.1", "-m", str(calls), "-nostdin")
        # A 180 that the network delivers after the 200 is no reason to give up a call.
        patient = ("-default_behaviors", "all,-abortunexp")
        limit = ("-timeout", f"{seconds}s", "-timeout_error")
        messages = ("-trace_msg", "-message_file", str(self._messages))
        errors = ("-trace_err", "-error_file", str(self._errors))
        self._program = Program(
            [program, *fixed, *patient, *limit, *messages, *errors, *arguments], folder, {"TERM": "dumb"}
        )

    def finish(self) -> None:
        """Wait for the end of its calls, all of which must have gone as the scenario says."""
        code = self._program.popen.wait(self._seconds + 30)
        assert code == 0, self._errors.read_text() if self._errors.exists() else "\n".join(self._program.lines)

    def stop(self) -> None:
        """End it."""
        self._program.stop()

    def wait_until_bound(self, port: int) -> None:
        """Wait until it can be called."""
        eventually(lambda: is_bound(port))

    def responses(self) -> dict[str, tuple[str, int]]:
        """Return the number and the final response to the INVITE of each call, by Call-ID."""
        found = {}
        for message in self._all_received():
            if not re.search(r"^CSeq: 1 INVITE$", message, re.MULTILINE) or not message.startswith("SIP/2.0 "):
                continue
            called = re.search(r"^To: .*?sip:([^@]*)@", message, re.MULTILINE)
            call = re.search(r"^Call-ID: (.*)$", message, re.MULTILINE)
            code = int(message.split(" ", 2)[1])
            if called and call and code >= 200:
                found[call[1]] = (called[1], code)
        return found

    def received(self, method: str) -> list[str]:
        """Return the requests of a method that it has received."""
        return [message for message in self._all_received() if message.startswith(f"{method} ")]

    def _all_received(self) -> list[str]:
        text = self._messages.read_bytes().decode("utf-8", "replace") if self._messages.exists() else ""
        return re.findall(r"UDP message received \[\d+\] bytes :\n\n(.*?)\n\n", text.replace("\r", ""), re.DOTALL)
