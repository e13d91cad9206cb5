"""A follower's CPU time and connections with thousands of idle databases."""

import json
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import redis

from benchmarks.deployment import Deployment, deployment, parser
from benchmarks.processes import cpu_seconds


def main() -> None:
    """Run it."""
    options = parser(__doc__ or "", databases=2500, documents=2500)
    options.add_argument("--seconds", type=float, default=120, help="watched (%(default)s)")
    given = options.parse_args()
    with deployment(given.couchdb_url, given.databases, given.documents) as on:
        began = time.monotonic()
        follower = subprocess.Popen(on.command("follow", "--log-level", "error"))
        _wait(on)
        print(f"everything in the cache after {time.monotonic() - began:.1f} s")
        time.sleep(5)
        before, started = cpu_seconds(follower.pid), time.monotonic()
        time.sleep(given.seconds)
        share = (cpu_seconds(follower.pid) - before) / (time.monotonic() - started)
        print(f"idle: {share * 100:.2f} % of a core over {given.seconds:.0f} s")
        for what, url in (("CouchDB", on.couchdb_url), ("Redis", on.redis_url)):
            print(f"connections to {what}: {_connections(follower.pid, urlsplit(url).port or 0)}")
        follower.terminate()
        follower.wait()


def _wait(on: Deployment) -> None:
    client = redis.Redis.from_url(on.redis_url)
    while json.loads(client.get("did-router:{follower}:status") or b"{}").get("phase") != "following":
        time.sleep(0.2)


def _connections(pid: int, port: int) -> int:
    """Established TCP connections of a process to a port."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        target = str(descriptor.readlink())
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(row[9] in sockets and row[3] == "01" and int(row[2].split(":")[1], 16) == port for row in rows)


if __name__ == "__main__":
    main()
