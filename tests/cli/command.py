"""Running the installed command, and what it is run against."""

import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any

import orjson
from click.testing import CliRunner

from router.cli import sample_numbers
from router.cli.main import main
from router.couch.client import CouchClient
from router.couch.server import CouchServer
from tests.cli.fork_server import ForkServer
from tests.cli.schemas import check, schema_of

COMMAND = str(Path(sys.executable).parent / "did-router")
ACCOUNTS = list(sample_numbers.ACCOUNTS)
_FORKS = ForkServer()
NOWHERE = "http://127.0.0.1:1"
"""Port 1 refuses connections."""


def number(digits: str, state: str | None = "in_service", account: str | None = ACCOUNTS[0]) -> dict[str, Any]:
    """A number document."""
    fields = {"pvt_number_state": state, "pvt_assigned_to": account}
    return {"_id": digits, "pvt_type": "number"} | {name: value for name, value in fields.items() if value}


def port_request(name: str, digits: str, account: str) -> dict[str, Any]:
    """A port request under way."""
    state = {"pvt_type": "port_request", "pvt_port_state": "scheduled", "pvt_account_id": account}
    return {"_id": name, **state, "numbers": {digits: {}}}


DOCUMENTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "numbers/+1415": [
        number("+14158867900"),
        number("+14158867901", "reserved", ACCOUNTS[1]),
        number("+14158867902", "port_in", ACCOUNTS[2]),
        number("+14158867904", "aging", ACCOUNTS[3]),
        number("+14158867905", account=None),
        number("+14158867906", account=sample_numbers.DISABLED),
    ],
    "numbers/+4420": [number("+442079460018", account=ACCOUNTS[2])],
    "accounts": sample_numbers.account_documents(),
    "port_requests": [port_request("port-1", "+14158867903", ACCOUNTS[4])],
    "system_config": [],
}
NUMBERS = sum(len(documents) for name, documents in DOCUMENTS.items() if name.startswith("numbers/"))


@dataclass(frozen=True)
class Ran:
    """The exit code and output of a command.

    Attributes:
        schema: of its output, where it was asked for JSON.
    """

    code: int
    out: str
    err: str
    schema: str | None = None

    @property
    def json(self) -> list[dict[str, Any]]:
        """Its output as JSON, an object a line, each of which the command's schema allows."""
        lines = [orjson.loads(line) for line in self.out.splitlines()]
        if self.schema is not None:
            check(self.schema, lines)
        return lines

    @property
    def complaint(self) -> str:
        """The one line on stderr, which says what to do."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("did-router: ")
        return lines[0]


def environment(**more: str) -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DID_ROUTER_")} | more


def run(*arguments: str | bytes, stdin: bytes = b"", seconds: float = 60, **env: str) -> Ran:
    """Run the command to its end."""
    command = [COMMAND, *map(os.fsdecode, arguments)]
    whole = environment(**env)
    code, out, err = (run_afresh if "PYTHONPATH" in env else _FORKS.run)(command, stdin, whole, seconds)
    return Ran(code, out.decode(), err.decode(), schema_of(arguments))


def run_afresh(
    command: Sequence[str], stdin: bytes, environment: Mapping[str, str], seconds: float
) -> tuple[int, bytes, bytes]:
    """Like `ForkServer.run`, but starts the interpreter: the environment says where it finds its modules."""
    done = subprocess.run(command, input=stdin, capture_output=True, env=environment, timeout=seconds, check=False)
    return done.returncode, done.stdout, done.stderr


def run_all(commands: Mapping[str, Sequence[str | bytes]]) -> dict[str, Ran]:
    """Run several at a time: each waits for the stores."""
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(commands, pool.map(lambda arguments: run(*arguments), commands.values()), strict=True))


def run_here(*arguments: str, **env: str) -> Ran:
    """Run the command in this process, which is sooner done where nothing is reached for."""
    unset = {name: None for name in os.environ if name.startswith("DID_ROUTER_")}
    done = CliRunner().invoke(main, arguments, prog_name="did-router", env={**unset, **env})
    assert isinstance(done.exception, SystemExit | None), done.exception
    return Ran(done.exit_code, done.stdout, done.stderr, schema_of(arguments))


class Process:
    """A command that runs until it is stopped; everything it says is kept."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        self.popen = _FORKS.start([COMMAND, *arguments], environment(PYTHONUNBUFFERED="1"))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.popen.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, pattern: str, seconds: float = 20) -> re.Match[str]:
        """Wait until it says so; a command that has ended says nothing any more."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            has_ended = self.popen.poll() is not None
            if has_ended:
                self._reader.join(5)
            for line in list(self.lines):
                if found := re.search(pattern, line):
                    return found
            if has_ended:
                break
            time.sleep(0.02)
        raise AssertionError(f"never said {pattern!r}, but:\n" + "\n".join(self.lines))

    def send(self, which: Signals) -> None:
        """Send it a signal."""
        self.popen.send_signal(which)

    def end(self, which: Signals, seconds: float = 15) -> int:
        """Send it a signal and wait for its exit code."""
        self.send(which)
        code = self.popen.wait(seconds)
        self._reader.join(5)
        return code


def children_of(process: int) -> list[int]:
    """The processes that one started, and theirs."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [(int(pid), int(parent)) for pid, parent in map(str.split, listed.splitlines())]
    found = [pid for pid, parent in pairs if parent == process]
    return found + [grandchild for child in found for grandchild in children_of(child)]


def is_running(process: int) -> bool:
    """Return whether there is such a process."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


Start = Callable[..., Process]


def databases_at(url: str) -> CouchServer:
    """A client."""
    return CouchServer(CouchClient(url, timeout=10))


@dataclass(frozen=True)
class Running:
    """A service that answers."""

    process: Process
    target: str
    admin: str

    def page(self, path: str, token: str = "") -> str:
        """A page of its admin address."""
        with urllib.request.urlopen(self._asked(path, token), timeout=5) as answer:
            return str(answer.read().decode())

    def status(self, path: str, token: str = "") -> int:
        """The HTTP status of a page."""
        try:
            with urllib.request.urlopen(self._asked(path, token), timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return int(refused.code)

    def _asked(self, path: str, token: str) -> urllib.request.Request:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return urllib.request.Request(f"http://{self.admin}{path}", headers=headers)


def serving(process: Process, seconds: float = 60) -> Running:
    """Wait until a service listens; it was started on ports of its own choice."""
    found = process.wait_for(r"listening on (\S+), admin on ([^,]+),", seconds)
    return Running(process, found[1], found[2])


SERVE = (
    "serve",
    "--workers",
    "1",
    "--listen",
    "127.0.0.1:0",
    "--admin",
    "127.0.0.1:0",
    "--http",
    "",
    "--set",
    "drain_delay=0",
)
