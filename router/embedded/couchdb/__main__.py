"""`python -m router.embedded.couchdb`: the embedded database as a process of its own."""

import argparse
import signal
import sqlite3
import sys
import threading

from router.embedded.couchdb.server import EmbeddedCouchDB


def main() -> int:
    """Serve until SIGTERM or SIGINT; return 1 when it can't start."""
    parser = argparse.ArgumentParser(prog="python -m router.embedded.couchdb", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--data", help="directory for the data (default: a temporary one)")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", default="password")
    options = parser.parse_args()
    server = EmbeddedCouchDB(options.port, options.data, options.user, options.password)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    try:
        server.start()
    except (OSError, sqlite3.Error) as error:
        sys.stderr.write(f"the embedded database can't start on port {options.port}: {error}\n")
        return 1
    sys.stdout.write(f"listening on http://127.0.0.1:{server.port}\n")
    sys.stdout.flush()
    over.wait()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
