"""A real service, a good caller who asks it all the time, and what can be seen from outside while somebody attacks."""

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM

import grpc

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.cli.command import SERVE, Process, children_of, databases_at, number, serving
from tests.integration.certificates import CertAuthority
from tests.integration.tokens import Tokens

NUMBER = "+14158867900"
ACCOUNT = "1" * 32
TLS = "edge with TLS"
PLAIN = "edge"
FRONTS = (PLAIN, TLS)
LIMIT = 1.0
"""Seconds that the good caller gives each call."""
_CALL_INTERVAL = 0.01
_SAMPLE = 0.05


@dataclass
class GoodCaller:
    """Asks for one number, by Lookup and by LookupBatch in turns, over a connection of his own.

    Attributes:
        authority: signed the service's certificate; None without TLS.
        told: how often he was told what: the account, or how the call failed.
        worst: seconds of his slowest call.
    """

    port: int
    token: str
    authority: CertAuthority | None = None
    reported: Counter[str] = field(default_factory=Counter)
    worst: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._ask_on, daemon=True)
        self._thread.start()

    def begin_anew(self) -> None:
        """Forget what was seen."""
        self.reported, self.worst = Counter(), 0.0

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(5)

    def _channel(self) -> grpc.Channel:
        if self.authority is not None:
            return self.authority.channel(self.port)
        return grpc.insecure_channel(f"127.0.0.1:{self.port}", options=[("grpc.use_local_subchannel_pool", 1)])

    def _ask_on(self) -> None:
        shown = (("authorization", f"Bearer {self.token}"),)
        with self._channel() as channel:
            stub = InboundRouterStub(channel)
            request = pb.LookupRequest(number=NUMBER)
            several = pb.LookupBatchRequest(lookups=[request])
            by_batch = False
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    if by_batch:
                        result = stub.LookupBatch(several, timeout=LIMIT, metadata=shown).outcomes[0].route.account_id
                    else:
                        result = stub.Lookup(request, timeout=LIMIT, metadata=shown).account_id
                except grpc.RpcError as problem:
                    result = f"{'LookupBatch' if by_batch else 'Lookup'}: {problem.code().name} {problem.details()}"
                self.worst = max(self.worst, time.monotonic() - began)
                self.reported["right" if result == ACCOUNT else result] += 1
                by_batch = not by_batch
                self._stop.wait(_CALL_INTERVAL)


@dataclass
class Harness:
    """A service with one worker behind an edge.

    Attributes:
        front: with or without TLS.
        token: opens lookups and the number manager.
    """

    front: str
    process: Process
    port: int
    token: str
    caller: GoodCaller

    @property
    def authorization(self) -> tuple[tuple[str, str], ...]:
        """The metadata of who may ask."""
        return (("authorization", f"Bearer {self.token}"),)

    @property
    def processes(self) -> list[int]:
        """The service's, the parent first."""
        return [self.process.popen.pid, *children_of(self.process.popen.pid)]

    def memory(self) -> int:
        """Bytes that the service holds in all."""
        return sum(map(_resident, self.processes))


class Watch:
    """Looks at the service's memory all the time.

    Attributes:
        highest: bytes.
    """

    def __init__(self, harness: Harness) -> None:
        self._processes = harness.processes
        self._stop = threading.Event()
        self.highest = 0
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(5)

    def _look_on(self) -> None:
        while not self._stop.is_set():
            self.highest = max(self.highest, sum(map(_resident, self._processes)))
            self._stop.wait(_SAMPLE)


def _resident(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))


@contextmanager
def harness(front: str, *more: str) -> Iterator[Harness]:
    """A service on stores of its own, in service."""
    with EmbeddedCouchDB() as couchdb, EmbeddedRedis() as redis, tempfile.TemporaryDirectory() as folder:
        databases = databases_at(couchdb.url)
        for name in ("numbers/+1415", "accounts", "port_requests", "system_config"):
            databases.database(name).create()
        databases.database("numbers/+1415").put(number(NUMBER, account=ACCOUNT))
        tokens = Tokens(Path(folder) / "tokens", good="lookup,manage")
        stores = ("--couchdb-url", couchdb.url, "--redis-url", redis.url)
        header_bytes = ["--transport", "edge", "--with-follower", "--set", f"token_file={tokens.path}"]
        authority = CertAuthority() if front == TLS else None
        if authority is not None:
            certificate, key = authority.issue(Path(folder))
            header_bytes += ["--set", f"tls_certificate={certificate}", "--set", f"tls_key={key}"]
        process = Process(*SERVE, *stores, *header_bytes, *more)
        try:
            running = serving(process)
            process.wait_for("readiness: ready:")
            token = tokens.plain["good"]
            caller = GoodCaller(port := int(running.target.rpartition(":")[2]), token, authority)
            while caller.reported["right"] < 3:
                time.sleep(0.02)
            try:
                yield Harness(front, process, port, token, caller)
            finally:
                caller.stop()
        finally:
            process.end(SIGTERM)
