"""The edge's ceiling: the native echo on a Unix socket, behind the Envoy that `did-router serve` would run."""

import argparse
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from router.server.auth.tls_files import open_certificates
from router.server.edge.edge import Edge
from router.server.edge.process import find_envoy
from router.settings import Settings

_POLL_INTERVAL = 0.05
"""Seconds, as in the supervisor."""


def main() -> None:
    """Serve until SIGTERM."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--listen", required=True, help="host:port")
    options.add_argument("--answer", type=Path, required=True, help="file with the message")
    options.add_argument("--certificate", type=Path, required=True, help="PEM")
    options.add_argument("--key", type=Path, required=True, help="PEM")
    given = options.parse_args()
    settings = Settings.load(
        listen=given.listen, transport="edge", tls_certificate=given.certificate, tls_key=given.key
    )
    edge = Edge(settings, find_envoy(), open_certificates(settings), threads=1)
    socket = edge.new_socket("worker-0")
    echo = [sys.executable, "-m", "benchmarks.ceilings.native_echo"]
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    with subprocess.Popen([*echo, "--listen", f"unix:{socket}", "--answer", str(given.answer)]) as worker:
        try:
            edge.set_endpoints([socket])
            edge.start()
            while not stopped.wait(_POLL_INTERVAL):
                edge.poll()
        finally:
            edge.drain(0.0)
            worker.terminate()
            edge.close()


if __name__ == "__main__":
    main()
