"""Redis, CouchDB, a service with two workers and a follower, each a process, and links between each pair."""

import json
import os
import random
import shutil
import socket
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from redis import Redis

from router.couch.client import Couch
from router.couch.databases import Databases
from router.follower.audit import Audit
from router.follower.warm import Progress
from router.settings import Settings
from router.stores import Stores
from tests.faults import programs
from tests.faults.links import Link
from tests.faults.programs import Program
from tests.integration.waiting import eventually

SHARDS = ("numbers/+1415", "numbers/+4420", "numbers/+4930")
EACH = 4
NUMBERS = [f"{shard.removeprefix('numbers/')}88679{index:02}" for shard in SHARDS for index in range(EACH)]
ABSENT = [f"{shard.removeprefix('numbers/')}99999{index:02}" for shard in SHARDS for index in range(2)]
"""Numbers without a document."""
ACCOUNTS = 3000
"""Accounts to be claimed, each at most once."""

STALE_AFTER = 2.0
INTERVALS: dict[str, Any] = {
    "stale_after": STALE_AFTER,
    "follower_lease": 1.5,
    "follower_heartbeat": 0.5,
    "follower_sweep": 60.0,
    "follower_time_limit": 2.0,
    "database_time_limit": 0.5,
    "breaker_pause": 0.3,
    "drain_time_limit": 0.2,
    "negative_life": 1.0,
    "manager_time_limit": 1.0,
    "account_copies": "none",
}
"""Short, so that a run is; sweeps are rare, so that they hide nothing."""


_SPAN, _FIRST_PORT, _PORTS = 8, 23_000, 9_000


def _free_ports() -> Iterator[int]:
    """Ports that nobody listens on and no outgoing connection takes, others than another process would choose now."""
    start = os.getpid() * _SPAN
    for step in range(_PORTS):
        port = _FIRST_PORT + (start + step) % _PORTS
        with socket.socket() as probe:
            if port not in _given and probe.connect_ex(("127.0.0.1", port)):
                _given.add(port)
                yield port


_given: set[int] = set()


class Stage:
    """Everything that runs, until it is closed.

    Args:
        keeps: Redis keeps its data over a restart.
        more: flags of the service.

    Attributes:
        redis, couchdb, service, follower: the processes.
        links: "service-redis", "service-couchdb", "follower-redis", "follower-couchdb".
        databases: CouchDB, past every link.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        transport: str = "auto",
        keeps: bool = False,
        workers: int = 2,
        more: Sequence[str] = (),
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="did-router-faults-"))
        self._random = random.Random(seed)
        ports = dict(zip(("redis", "couchdb", "listen", "admin"), _free_ports(), strict=False))
        self.redis = programs.redis(self.folder, ports["redis"], keeps=keeps)
        self.couchdb = programs.couchdb(self.folder, ports["couchdb"])
        pairs = [(who, store) for who in ("service", "follower") for store in ("redis", "couchdb")]
        self.links = {f"{who}-{store}": Link(ports[store], seed) for who, store in pairs}
        self.target, self.admin = f"127.0.0.1:{ports['listen']}", f"127.0.0.1:{ports['admin']}"
        own = ("--listen", self.target, "--admin", self.admin, "--workers", str(workers), "--transport", transport)
        service = ("serve", *own, *self._flags("service"), *more)
        self._workers = workers
        self.service = programs.did_router(self.folder, "service", *service, port=ports["listen"])
        self.follower = programs.did_router(self.folder, "follower", "follow", *self._flags("follower"))
        self._redis_url = f"redis://127.0.0.1:{ports['redis']}"
        self._couchdb_url = f"http://admin:password@127.0.0.1:{ports['couchdb']}"
        self.databases = Databases(Couch(self._couchdb_url, time_limit=1.0))
        self.accounts = [f"{index:032x}" for index in range(1, ACCOUNTS + 1)]

    @property
    def programs(self) -> Sequence[Program]:
        """All processes."""
        return self.service, self.follower, self.redis, self.couchdb

    def settings(self, who: str | None = None) -> Settings:
        """Settings by way of the links of "service" or "follower"; of nobody: past them."""
        urls = (self._redis_url, self._couchdb_url) if who is None else self._urls(who)
        return Settings.load(None, redis_url=urls[0], couchdb_url=urls[1], **INTERVALS)

    def client(self) -> Any:
        """Redis, past every link."""
        return Redis.from_url(self._redis_url, socket_timeout=2)

    def channel(self) -> grpc.Channel:
        """A connection to the service."""
        return grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)])

    def state(self) -> dict[str, Any]:
        """What each worker says of itself."""
        with urllib.request.urlopen(f"http://{self.admin}/state", timeout=5) as answer:
            workers: dict[str, Any] = json.load(answer)["workers"]
        return workers

    def is_ready(self) -> bool:
        """Whether all workers are ready and nothing is marked stale."""
        try:
            said = list(self.state().values())
        except (OSError, ValueError):
            return False
        return len(said) == self._workers and all(
            each and each["state"] == "ready" and not each["stale"] for each in said
        )

    def differences(self) -> int:
        """What an audit finds."""
        settings = self.settings()
        return len(Audit(settings, Stores(settings), Progress()).run().differences)

    def said(self) -> str:
        """The last that the service and the follower said."""
        logs = (program.log for program in (self.service, self.follower))
        return "\n".join("\n".join(log.read_text("utf-8").splitlines()[-30:]) for log in logs)

    def start(self) -> None:
        """Start everything and wait until it is ready."""
        for program in (self.redis, self.couchdb):
            program.start()
        for program in (self.redis, self.couchdb):
            program.wait_listening()
        self._fill()
        self.follower.start()
        self.service.start()
        eventually(self.is_ready, 60, every=0.1)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        for program in self.programs:
            program.end()
        for link in self.links.values():
            link.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _fill(self) -> None:
        for name in ("accounts", "port_requests", "system_config", *SHARDS):
            self.databases.create(name)
        documents = [{"_id": each, "pvt_type": "account", "pvt_enabled": True, "name": "A"} for each in self.accounts]
        patient = Databases(self.databases.couch.with_time_limit(30))
        patient.put_many("accounts", documents)

    def _urls(self, who: str) -> tuple[str, str]:
        redis, couchdb = self.links[f"{who}-redis"].port, self.links[f"{who}-couchdb"].port
        return f"redis://127.0.0.1:{redis}", f"http://admin:password@127.0.0.1:{couchdb}"

    def _flags(self, who: str) -> list[str]:
        redis, couchdb = self._urls(who)
        more = [f"--set={name}={value}" for name, value in INTERVALS.items()]
        return ["--redis-url", redis, "--couchdb-url", couchdb, "--log-level", "info", *more]
