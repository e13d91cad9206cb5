"""Redis, CouchDB, a service with two workers and a follower, each a process, and a link between each pair."""

import itertools
import json
import os
import random
import shutil
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import grpc
from redis import Redis

from router.account_copies.names import account_database
from router.audit.audit import Audit
from router.audit.report import Difference
from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.redis_store.integrity_scan import SCAN_COUNT
from router.runtime.addresses import Address
from router.runtime.progress import Progress
from router.settings import Settings
from router.stores.clients import Stores
from tests.faults import filling, programs
from tests.faults.clocks import Clock
from tests.faults.filling import SHARDS
from tests.faults.forms import FORMS, SINGLE
from tests.faults.links import Link, LinkGroup
from tests.faults.nodes import ImitatedNodes, Nodes
from tests.faults.programs import Program
from tests.support.waiting import eventually

EACH = 4
NUMBERS = [f"{shard.removeprefix('numbers/')}88679{index:02}" for shard in SHARDS for index in range(EACH)]
ABSENT = [f"{shard.removeprefix('numbers/')}99999{index:02}" for shard in SHARDS for index in range(2)]
"""Numbers without a document."""
ACCOUNTS = 3000
"""Accounts to be claimed, each at most once."""

STALE_AFTER = 2.0
INTERVALS: dict[str, Any] = {
    "stale_after": STALE_AFTER,
    "follower_lease_ttl": 1.5,
    "follower_heartbeat": 0.5,
    "follower_reconcile_interval": 60.0,
    "follower_timeout": 2.0,
    "couchdb_read_timeout": 0.5,
    "circuit_breaker_reset_timeout": 0.3,
    "shutdown_grace_period": 0.2,
    "negative_ttl": 1.0,
    "manager_timeout": 1.0,
    "account_copies": "none",
}
"""Short, so that a run is; sweeps are rare, so that they hide nothing."""
_COPIES: dict[str, Any] = {"account_copies": "both"}
_WITH_COPIES = 150
"""Accounts with a database; those after them have none, and get no copies."""
_COPIES_WITHIN, _MENDED_WITHIN = 40.0, 15.0
"""Seconds that the follower has for the accounts' copies, and for going round all that Redis holds."""
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


SWITCHES = ("http", "sip", "enum")
"""Ways of asking that switches have, beside gRPC."""


class Deployment:
    """All processes of a run, until it is closed.

    Args:
        keeps: Redis keeps its data over a restart.
        form: of Redis; only a single one has links.
        clocks: the wall clocks of service and follower can be set.
        copies: accounts have copies, and the follower mends them.
        couchdb_url: a real CouchDB in place of the embedded one, which can't be killed then. It must hold none of the
            databases that a deployment makes; they are removed at the end.
        nodes: of the embedded CouchDB: with 2 or more it imitates a cluster.
        cluster: a real one in place of the embedded CouchDB, on the same terms as `couchdb_url`.
        linked: there are links to CouchDB. On a cluster that is for faults of these links alone: a dead node's port
            refuses connections, and a link in front of it would take them.
        documents: further numbers in each shard.
        more: flags of the service.
        settings: beside the usual ones, or in their place.

    Attributes:
        redis, couchdb, service, follower: the processes.
        links: "service-redis", "service-couchdb", "follower-redis", "follower-couchdb", "caller-service".
        target, way_in: where the service answers, and where it does so by way of the callers' link.
        databases: CouchDB, past every link.
        cluster: the nodes of a CouchDB that has several; else None.
        documents: further numbers in each shard.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        transport: str = "auto",
        keeps: bool = False,
        form: str = SINGLE,
        clocks: bool = False,
        copies: bool = False,
        couchdb_url: str | None = None,
        nodes: int = 1,
        cluster: Nodes | None = None,
        linked: bool = True,
        documents: int = 0,
        workers: int = 2,
        more: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._set = {**INTERVALS, **(_COPIES if copies else {}), **(settings or {})}
        self.copies = copies
        self.folder = Path(tempfile.mkdtemp(prefix="did-router-faults-"))
        self._random = random.Random(seed)
        self._filled = False
        ports = dict(zip(("redis", "couchdb", "listen", "admin", *SWITCHES), _free_ports(), strict=False))
        self.documents = documents
        self._is_foreign = couchdb_url is not None or cluster is not None
        if nodes > 1 and not self._is_foreign:
            cluster = ImitatedNodes(self.folder, list(itertools.islice(_free_ports(), nodes)), seed)
        self.cluster = cluster
        self.redis = programs.redis(self.folder, ports["redis"], keeps=keeps)
        self.form = FORMS[form](self.folder) if form != SINGLE else None
        self._redis_url = f"redis://127.0.0.1:{ports['redis']}" if self.form is None else self.form.url
        is_embedded = cluster is None and couchdb_url is None
        self.couchdb = programs.couchdb(self.folder, ports["couchdb"]) if is_embedded else None
        self._couchdb_url = couchdb_url or f"http://admin:password@127.0.0.1:{ports['couchdb']}"
        if cluster is not None:
            self._couchdb_url = cluster.url
        self._linked = linked or cluster is None
        at = {"redis": [("127.0.0.1", ports["redis"])], "couchdb": _addresses(self._couchdb_url)}
        pairs = [(who, store) for who in ("service", "follower") for store in ("redis", "couchdb")]
        pairs = [pair for pair in pairs if self.form is None or pair[1] == "couchdb"]
        self.links: dict[str, Link | LinkGroup] = {f"{who}-{store}": LinkGroup(at[store], seed) for who, store in pairs}
        self.target, self.admin = f"127.0.0.1:{ports['listen']}", f"127.0.0.1:{ports['admin']}"
        callers_link = Link("127.0.0.1", ports["listen"], seed)
        self.links["caller-service"] = callers_link
        self.way_in = f"127.0.0.1:{callers_link.port}"
        self.switches = {way: Address("127.0.0.1", ports[way]) for way in SWITCHES}
        own = (
            "--listen",
            self.target,
            "--admin",
            self.admin,
            *(f"--set={way}_listen=127.0.0.1:{ports[way]}" for way in SWITCHES),
            *(f"--set={way}_timeout=1" for way in SWITCHES),
            "--workers",
            str(workers),
            "--transport",
            transport,
        )
        self.clocks = {who: Clock(self.folder / f"{who}.clock") for who in ("service", "follower") if clocks}
        env = {who: clock.environment for who, clock in self.clocks.items()}
        service = ("serve", *own, *self._flags("service"), *more)
        self._workers = workers
        self.service = programs.did_router(
            self.folder, "service", *service, port=ports["listen"], more=env.get("service")
        )
        follow = ("follow", *(("--account-copies",) if copies else ()), *self._flags("follower"))
        self.follower = programs.did_router(self.folder, "follower", *follow, more=env.get("follower"))
        self.databases = CouchServer(CouchClient(self._couchdb_url, timeout=1.0))
        self.accounts = [f"{index:032x}" for index in range(1, ACCOUNTS + 1)]

    @property
    def programs(self) -> Sequence[Program]:
        """All processes."""
        stores = (self.redis,) if self.form is None else self.form.programs
        nodes = self.cluster.programs if self.cluster else ()
        return self.service, self.follower, *stores, *nodes, *((self.couchdb,) if self.couchdb else ())

    def settings(self, who: str | None = None) -> Settings:
        """Settings by way of the links of "service" or "follower"; of nobody: past them."""
        urls = (self._redis_url, self._couchdb_url) if who is None else self._urls(who)
        return Settings.load(None, redis_url=urls[0], couchdb_url=urls[1], **self._set)

    def client(self) -> Any:
        """Redis, past every link."""
        if self.form is not None:
            return self.form.client()
        return Redis.from_url(self._redis_url, socket_timeout=2)

    def channel(self) -> grpc.Channel:
        """A connection to the service."""
        return grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)])

    def state(self) -> dict[str, Any]:
        """Return each worker's state page."""
        with urllib.request.urlopen(f"http://{self.admin}/state", timeout=5) as answer:
            workers: dict[str, Any] = json.load(answer)["workers"]
        return workers

    def is_ready(self) -> bool:
        """Return whether all workers are ready and nothing is marked stale."""
        try:
            result = list(self.state().values())
        except (OSError, ValueError):
            return False
        return len(result) == self._workers and all(
            each and each["state"] == "ready" and not each["stale"] for each in result
        )

    def differences(self, *, gaps: bool = False) -> list[list[str]]:
        """Return an audit's differences, repeated until there are none or the service had time to repair them.

        Args:
            gaps: numbers that no caller asks for may be missing from the cache.
        """
        settings = self.settings()
        # The follower checks SCAN_COUNT entries a second for corrupt ones; twice as long for a busy machine.
        checked = 2 * len(SHARDS) * self.documents / SCAN_COUNT
        end = time.monotonic() + checked + (_COPIES_WITHIN if self.copies else _MENDED_WITHIN)
        found: list[list[str]] = []
        while not found or (found[-1] and time.monotonic() < end):
            time.sleep(1 if found else 0)
            report = Audit(settings, Stores(settings), Progress(), copies=self.copies).run()
            counted = (each for each in report.differences if not (gaps and _is_gap(each)))
            found.append([*map(str, counted), *map(str, report.copies)])
        return found

    def last_log_lines(self) -> str:
        """The last lines of the logs of the service and the follower."""
        logs = (program.log for program in (self.service, self.follower))
        return "\n".join("\n".join(log.read_text("utf-8").splitlines()[-30:]) for log in logs)

    def start(self) -> None:
        """Start everything and wait until it is ready."""
        stores = [each for each in (self.couchdb, self.redis if self.form is None else None) if each is not None]
        for program in stores:
            program.start()
        for program in stores:
            program.wait_listening()
        if self.form is not None:
            self.form.start()
        if self.cluster is not None:
            self.cluster.start()
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
        """End everything, and leave a CouchDB that is not ours as it was."""
        for program in self.programs:
            program.end()
        for link in self.links.values():
            link.close()
        if self._is_foreign and self.cluster is not None:
            self.cluster.restore()
        if self._is_foreign and self._filled:
            filling.empty(self._patient())
        shutil.rmtree(self.folder, ignore_errors=True)

    def _fill(self) -> None:
        patient = self._patient()
        if self._is_foreign:
            filling.claim(patient)
        self._filled = True
        with_copies = self.accounts[:_WITH_COPIES] if self.copies else ()
        filling.fill(patient, self.accounts, [str(account_database(each)) for each in with_copies], self.documents)

    def _patient(self) -> CouchServer:
        """One node alone: another one may not know yet which databases there are."""
        couch = self.databases.client if self.cluster is None else self.cluster.each[0]
        return CouchServer(couch.with_timeout(30))

    def _urls(self, who: str) -> tuple[str, str]:
        redis = self._redis_url if self.form else f"redis://{self._way(f'{who}-redis')}"
        if not self._linked:
            return redis, self._couchdb_url
        credentials = urlsplit(self._couchdb_url).netloc.rpartition("@")[0]
        return redis, f"http://{credentials}@{self._way(f'{who}-couchdb')}"

    def _way(self, name: str) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.links[name].ports)

    def _flags(self, who: str) -> list[str]:
        redis, couchdb = self._urls(who)
        more = [f"--set={name}={value}" for name, value in self._set.items()]
        return ["--redis-url", redis, "--couchdb-url", couchdb, "--log-level", "info", *more]


def _is_gap(difference: Difference) -> bool:
    return difference.kind == "missing" and difference.id not in NUMBERS


def _addresses(url: str) -> list[tuple[str, int]]:
    """Return host and port of each node."""
    hosts = [urlsplit(f"//{each}") for each in urlsplit(url).netloc.rpartition("@")[2].split(",")]
    return [(str(each.hostname), each.port or 5984) for each in hosts]
