"""Measures the cost of tokens: a service with and without a token file, by turns, one number, with h2load."""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import grpc

from benchmarks.processes import cpu_seconds, free_port
from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from router.server.auth.tokens import line_for, new_token
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

_NUMBER = "+14158867900"


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5, help="by turns (%(default)s)")
    options.add_argument("--seconds", type=float, default=2, help="of each turn (%(default)s)")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name, EmbeddedRedis() as redis, EmbeddedCouchDB() as couchdb:
        folder = Path(name)
        databases = CouchServer(CouchClient(couchdb.url, timeout=10))
        databases.database("numbers/+1415").create()
        document = {"_id": _NUMBER, "pvt_number_state": "in_service", "pvt_assigned_to": "1" * 32}
        databases.database("numbers/+1415").put_many([document])
        token = new_token()
        (folder / "tokens").write_text(line_for("switch", token, ("lookup",)))
        body = pb.LookupRequest(number=_NUMBER).SerializeToString()
        (folder / "request").write_bytes(b"\0" + len(body).to_bytes(4, "big") + body)
        stores = ("--couchdb-url", couchdb.url, "--redis-url", redis.url)
        for transport in ("native", "grpcio"):
            with_tokens = ("--set", f"token_file={folder / 'tokens'}")
            plain, guarded = (_Served(transport, *stores, *more) for more in ((), with_tokens))
            for served in (plain, guarded):
                served.wait(token)
            for _ in range(given.rounds):
                for served in (plain, guarded):
                    served.measure(folder / "request", token, given.seconds)
            for served in (plain, guarded):
                served.process.terminate()
                served.process.wait()
            rates = median(guarded.rates) / median(plain.rates)
            costs = median(guarded.costs) / median(plain.costs)
            print(
                f"{transport}: {median(plain.rates):,.0f}/s without, {median(guarded.rates):,.0f}/s with tokens "
                f"({rates:.3f}); {median(plain.costs):.1f} and {median(guarded.costs):.1f} us of its CPU a call "
                f"({costs:.3f})"
            )


class _Served:
    """A service under load."""

    def __init__(self, transport: str, *more: str) -> None:
        self.port = free_port()
        where = ("--listen", f"127.0.0.1:{self.port}", "--admin", "127.0.0.1:0", "--http", "", "--workers", "1")
        command = [str(Path(sys.executable).parent / "did-router"), "serve", *where, "--transport", transport, *more]
        self.process = subprocess.Popen([*command, "--log-level", "error"])
        self.rates: list[float] = []
        self.costs: list[float] = []

    def wait(self, token: str) -> None:
        """Until it answers."""
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            request, shown = pb.LookupRequest(number=_NUMBER), (("authorization", f"Bearer {token}"),)
            InboundRouterStub(channel).Lookup(request, timeout=30, metadata=shown, wait_for_ready=True)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.workers = [int(child) for child in children]

    def measure(self, request: Path, token: str, seconds: float) -> None:
        """One turn; both variants are sent the header, so that only judging it differs."""
        command = ["h2load", "-c", "8", "-m", "16", "-d", str(request), "-D", f"{seconds:.0f}s"]
        for header in ("te: trailers", "content-type: application/grpc", f"authorization: Bearer {token}"):
            command += ["-H", header]
        command.append(f"http://127.0.0.1:{self.port}/router.v1.InboundRouter/Lookup")
        before, began = sum(map(cpu_seconds, self.workers)), time.monotonic()
        result = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        took = time.monotonic() - began
        done = re.search(r"(\d+) succeeded, 0 failed, 0 errored", result)
        if done is None:
            raise SystemExit(f"h2load saw failures:\n{result}")
        calls = int(done[1])
        self.rates.append(calls / took)
        self.costs.append((sum(map(cpu_seconds, self.workers)) - before) / calls * 1e6)


if __name__ == "__main__":
    main()
