"""The nodes of the CouchDB cluster that a deployment runs on, and what can be done to them."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from router.couch.client import CouchClient
from router.couch.errors import CouchError
from router.couch.nodes import probe
from tests.faults.programs import Program
from tests.processes import freeze, thaw
from tests.support.waiting import eventually

KILL, FREEZE, MAINTENANCE, SPLIT, LAG, ISOLATE = "kill", "freeze", "maintenance", "split", "lag", "isolate"
_UP_WITHIN, _SPLIT_WITHIN = 60.0, 120.0
"""Seconds."""
_FROZEN, _RUNNING = 0.25, 0.15
"""Seconds of a node whose copies are made to lag by freezing it again and again."""


class Nodes(ABC):
    """A cluster; its nodes are counted from 0.

    Args:
        url: http://user:password@host:port,host:port,…

    Attributes:
        url: the same.
        hurt: those to which something is being done.
        programs: the processes that are the deployment's own.
    """

    programs: Sequence[Program] = ()

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self.credentials, _, hosts = parts.netloc.rpartition("@")
        self.hosts = hosts.split(",")
        self.hurt: set[int] = set()
        self.each = [CouchClient(f"http://{self.credentials}@{host}", timeout=5.0) for host in self.hosts]

    @property
    @abstractmethod
    def actions(self) -> frozenset[str]:
        """Return what can be done to the nodes."""

    @abstractmethod
    def start(self) -> None:
        """Start what is the deployment's own, and wait until every node answers."""

    @abstractmethod
    def kill(self, node: int) -> None:
        """End a node as SIGKILL does."""

    @abstractmethod
    def revive(self, node: int) -> None:
        """Start a node that was killed, and wait until it answers."""

    @abstractmethod
    def freeze(self, node: int) -> None:
        """Have a node answer nothing."""

    @abstractmethod
    def thaw(self, node: int) -> None:
        """Let a frozen node go on."""

    @abstractmethod
    def maintain(self, node: int, *, on: bool) -> None:
        """Take a node's copies out of use, or into it again."""

    @abstractmethod
    def isolate(self, node: int) -> None:
        """Cut a node off from the others; clients reach it."""

    @abstractmethod
    def join(self, node: int) -> None:
        """Let an isolated node hear the others again."""

    @abstractmethod
    def split(self, database: str) -> None:
        """Split a database's shards; returns when that has begun."""

    @abstractmethod
    def await_split(self, database: str) -> None:
        """Wait until the shards are split."""

    @abstractmethod
    def lagging(self, node: int, seconds: float) -> contextlib.AbstractContextManager[None]:
        """Have a node's copies lag until left."""

    def restore(self) -> None:
        """Undo whatever a run that failed left behind."""
        for node in range(len(self.hosts)):
            for undo in (self.thaw, self.revive, self.join, lambda each: self.maintain(each, on=False)):
                with contextlib.suppress(Exception):
                    undo(node)

    def wait_up(self, node: int) -> None:
        """Wait until a node answers and takes requests, and knows all the others."""
        eventually(lambda: self._is_up(node), _UP_WITHIN, every=0.1)

    def _is_up(self, node: int) -> bool:
        if probe(f"http://{self.hosts[node]}/") is not None:
            return False
        try:
            members = self.each[node].request("GET", ["_membership"])
        except CouchError:
            return False
        return set(members["cluster_nodes"]) <= set(members["all_nodes"])


class ImitatedNodes(Nodes):
    """The embedded cluster, a process that is told what to do to its nodes."""

    actions = frozenset({KILL, FREEZE, MAINTENANCE, SPLIT, LAG, ISOLATE})

    def __init__(self, folder: Path, ports: Sequence[int], seed: int) -> None:
        super().__init__(f"http://admin:password@{','.join(f'127.0.0.1:{port}' for port in ports)}")
        message = ["-m", "tests.faults.imitation", "--data", str(folder / "couchdb"), "--seed", str(seed)]
        message += [f"--port={port}" for port in ports]
        self._program = Program([sys.executable, *message], folder / "couchdb.log", ports[-1])
        self.programs = (self._program,)

    def start(self) -> None:
        self._program.start()
        self._program.wait_listening()
        for node in range(len(self.hosts)):
            self.wait_up(node)

    def kill(self, node: int) -> None:
        self._act("kill", node)

    def revive(self, node: int) -> None:
        self._act("start", node)
        self.wait_up(node)

    def freeze(self, node: int) -> None:
        self._act("freeze", node)

    def thaw(self, node: int) -> None:
        self._act("thaw", node)

    def maintain(self, node: int, *, on: bool) -> None:
        self._act("maintenance", node, on=on)

    def isolate(self, node: int) -> None:
        self._act("isolate", node)

    def join(self, node: int) -> None:
        self._act("join", node)

    def split(self, database: str) -> None:
        self._send("split", {"database": database})

    def await_split(self, database: str) -> None:
        return

    @contextmanager
    def lagging(self, node: int, seconds: float) -> Iterator[None]:
        self._act("lag", node, seconds=seconds)
        yield
        self._act("lag", node, seconds=0.0)

    def _act(self, action: str, node: int, **more: Any) -> None:
        self._send(action, {"node": node, **more})

    def _send(self, action: str, body: dict[str, Any]) -> None:
        """Tell it by any node whose port is open: a killed one's is not."""
        for couch in self.each:
            with contextlib.suppress(CouchError):
                couch.request("POST", ["_imitation", action], body)
                return
        raise ConnectionError("no node of the imitated cluster takes orders")


class RealNodes(Nodes):
    """A real cluster on this machine.

    Args:
        pid_files: of each node.
        start: a command that starts a node, with {node} for its place, counted from 1 here; returns when it is up.
        isolate, join: commands that cut a node off from the others, and undo that; empty where there are none.
    """

    def __init__(self, url: str, pid_files: Sequence[Path], start: str, isolate: str = "", join: str = "") -> None:
        super().__init__(url)
        if len(pid_files) != len(self.hosts):
            raise ValueError(f"{len(self.hosts)} nodes want as many pid files, not {len(pid_files)}")
        self._pid_files = pid_files
        self._start, self._isolate, self._join = start, isolate, join
        self._jobs: dict[str, list[str]] = {}

    @property
    def actions(self) -> frozenset[str]:
        """Return what needs no more than signals and HTTP; isolation needs commands."""
        able = frozenset({KILL, FREEZE, MAINTENANCE, SPLIT, LAG})
        return able | {ISOLATE} if self._isolate and self._join else able

    def start(self) -> None:
        for node in range(len(self.hosts)):
            self.wait_up(node)

    def kill(self, node: int) -> None:
        process = self._pid(node)
        os.kill(process, signal.SIGKILL)
        eventually(lambda: not _is_alive(process), 10)

    def revive(self, node: int) -> None:
        self._run(self._start, node)
        self.wait_up(node)

    def freeze(self, node: int) -> None:
        freeze(self._pid(node))

    def thaw(self, node: int) -> None:
        thaw(self._pid(node))

    def maintain(self, node: int, *, on: bool) -> None:
        value = '"true"' if on else '"false"'  # a text is sent as it is
        self.each[node].request("PUT", ["_node", "_local", "_config", "couchdb", "maintenance_mode"], value)
        if not on:
            self.wait_up(node)

    def isolate(self, node: int) -> None:
        self._run(self._isolate, node)

    def join(self, node: int) -> None:
        if self._join:
            self._run(self._join, node)
            self.wait_up(node)

    def split(self, database: str) -> None:
        rows = self._of_any("POST", ["_reshard", "jobs"], {"type": "split", "db": database})
        self._jobs[database] = [str(row["id"]) for row in rows if row.get("ok")]

    def await_split(self, database: str) -> None:
        eventually(lambda: all(map(self._is_done, self._jobs[database])), _SPLIT_WITHIN, every=0.2)
        for job in self._jobs.pop(database):
            self._of_any("DELETE", ["_reshard", "jobs", job])

    @contextmanager
    def lagging(self, node: int, seconds: float) -> Iterator[None]:
        """Freeze the node for moments; `seconds` has no meaning here."""
        over = threading.Event()

        def hold_up() -> None:
            while not over.is_set():
                with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):  # it was killed
                    self.freeze(node)
                    time.sleep(_FROZEN)
                    self.thaw(node)
                over.wait(_RUNNING)

        thread = threading.Thread(target=hold_up)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _is_done(self, job: str) -> bool:
        with contextlib.suppress(CouchError):
            return bool(self._of_any("GET", ["_reshard", "jobs", job])["job_state"] == "completed")
        return False

    def _of_any(self, method: str, path: list[str], body: Any = None) -> Any:
        """Ask nodes by turns: one may be away for the moment."""
        for last, couch in enumerate(self.each, 1):
            try:
                return couch.request(method, path, body)
            except CouchError:
                if last == len(self.each):
                    raise
        raise AssertionError("there is a node")

    def _pid(self, node: int) -> int:
        return int(self._pid_files[node].read_text())

    def _run(self, command: str, node: int) -> None:
        message = shlex.split(command.format(node=node + 1))
        made = subprocess.run(message, capture_output=True, text=True, timeout=_UP_WITHIN, check=False)
        assert made.returncode == 0, f"{message} failed:\n{made.stdout}{made.stderr}"


def _is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()
