"""`python -m tests.faults.imitation`: an imitated CouchDB cluster as a process of its own."""

import argparse
import signal
import sys
import threading

from router.embedded import EmbeddedCluster


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.imitation", description=__doc__)
    parser.add_argument("--port", type=int, action="append", required=True, help="a node's TCP port; once for each")
    parser.add_argument("--data", required=True, help="folder for the data")
    parser.add_argument("--seed", type=int, required=True, help="of the choice of copies")
    options = parser.parse_args()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with EmbeddedCluster(len(options.port), options.port, options.data, seed=options.seed):
        over.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
