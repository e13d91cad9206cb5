"""SIGTERM while the replacements of a SIGHUP are under way."""

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.cli.command import is_running
from tests.edge.deployment import PATIENT, Stores, instance
from tests.support.waiting import eventually

GRACE = 60
STREAMS = 8
"""Enough for every worker to have one."""


def test_sigterm_ends_a_replacement_that_waits_for_streams(shared: Stores) -> None:
    """Streams keep a replaced worker for as long as it may drain; meanwhile a dead worker comes back."""
    done = threading.Event()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp"))) / "edge"
        options = ("--set", f"shutdown_grace_period={GRACE}", "--set", f"edge_directory={folder}", *PATIENT)
        service = stack.enter_context(instance(shared, *options, tls=False))
        service.wait_whole()
        stack.callback(done.set)
        channel: Any = stack.enter_context(service.channel())
        streams = [InboundRouterStub(channel).LookupStream(_until(done), timeout=2 * GRACE) for _ in range(STREAMS)]
        assert all(next(each).id == "first" for each in streams)
        replaced, killed = service.workers[:2]
        process = service.running.process

        process.send(signal.SIGHUP)
        eventually(lambda: "/worker-0-1.sock" not in (folder / "workers.json").read_text(), GRACE / 2)
        os.kill(killed, signal.SIGKILL)
        process.wait_for("process ended: process=worker-1 exit_code=-9", GRACE / 2)
        assert is_running(replaced)
        process.send(signal.SIGTERM)
        eventually(lambda: service.running.status("/readyz") == 503, GRACE / 2)

        done.set()
        assert process.popen.wait(GRACE / 2) == 0
        assert not is_running(replaced)


def _until(done: threading.Event) -> Iterator[pb.LookupStreamRequest]:
    yield pb.LookupStreamRequest(id="first", lookup=pb.LookupRequest(number="4158867900"))
    done.wait(2 * GRACE)
