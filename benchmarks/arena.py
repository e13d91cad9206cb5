"""The stores that all contestants of a run share, holding the same numbers as the product would write them."""

import hashlib
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import directory
from benchmarks.credentials import Credentials
from benchmarks.deployment import ACCOUNTS
from benchmarks.directory import PER_DATABASE, Directory
from benchmarks.processes import Server, free_port
from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.embedded.redis import EmbeddedRedis
from router.entries import entry_builder
from router.entries.codec import Entry, refusal_of, route_suffix
from router.numbers.documents import Skipped
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.routes import Policy
from router.redis_store import follower_status
from router.redis_store.cache_store import CacheStore
from router.redis_store.client import connect
from router.redis_store.commands import RedisClient
from router.redis_store.entries import TTLs
from router.redis_store.follower_status import FollowerStatus
from router.redis_store.keys import Keys
from router.redis_store.lease import Lease
from router.v1 import inbound_pb2 as pb

KEYS = Keys("did-router:")
_PAGE = 1000
_FALLBACK_DOCUMENTS = 10_000
"""Documents in the number database itself, however many entries Redis holds."""


@dataclass(slots=True)
class Arena:
    """Redis and a number database with the same numbers in them, and files with requests.

    Attributes:
        redis_bytes: used_memory that the numbers took, over their count.
    """

    directory: Directory
    folder: Path
    redis_url: str
    redis_pid: int
    couchdb_url: str
    couchdb_pid: int
    credentials: Credentials
    redis_bytes: float = 0.0
    _files: dict[tuple[str, str, int, int, bool], Path] = field(default_factory=dict)

    def requests(self, kind: str, form: str, calls: int, *, batch: int = 0, stream: bool = False) -> Path:
        """A file of framed requests, made once."""
        name = (kind, form, calls, batch, stream)
        if name not in self._files:
            path = self.folder / ("-".join(map(str, name)) + ".requests")
            numbers = self.directory.asked(kind, calls)
            with path.open("wb") as file:
                file.writelines(directory.requests(numbers, form, batch=batch, stream=stream))
            self._files[name] = path
        return self._files[name]

    @property
    def answer(self) -> Path:
        """A file with one ordinary answer, for echoes."""
        path = self.folder / "answer"
        if not path.exists():
            path.write_bytes(whole_answer(self.directory.number(0), entry(self.directory, 0)))
        return path

    @property
    def answers(self) -> Path:
        """A file with every answer (LookupResponse, or Refusal behind an X), for peers that keep numbers in memory."""
        path = self.folder / "answers"
        if not path.exists():
            with path.open("wb") as file:
                for index in range(self.directory.count):
                    number, found = self.directory.number(index), entry(self.directory, index)
                    message = whole_answer(number, found) if found.kind == b"R" else whole_refusal(number, found)
                    file.write(len(message).to_bytes(4, "big") + found.kind + message)
        return path


@contextmanager
def arena(count: int) -> Iterator[Arena]:
    """Start the stores, fill them, and stop them at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="did-router-bench-")))
        server = stack.enter_context(EmbeddedRedis())
        port = free_port()
        (folder / "couchdb").mkdir()
        command = [
            sys.executable,
            "-m",
            "router.embedded.couchdb",
            "--port",
            str(port),
            "--data",
            str(folder / "couchdb"),
        ]
        couchdb = stack.enter_context(Server(command, port))
        url = f"http://admin:password@127.0.0.1:{port}"
        credentials = Credentials.make(folder / "credentials")
        made = Arena(Directory(count), folder, server.url, server.pid, url, couchdb.pid, credentials)
        began = time.monotonic()
        _fill_database(made)
        _fill_redis(made)
        print(f"{count:,} numbers in Redis ({made.redis_bytes:.0f} bytes each) after {time.monotonic() - began:.1f} s")
        yield made


def entry(numbers: Directory, index: int) -> Entry:
    """Bytes that the product stores in Redis for a number."""
    # What is kept names no number, so a hundred of them (accounts and states) come again and again.
    found = _entry_like(index % 100)
    digest = hashlib.md5(numbers.number(index).encode(), usedforsecurity=False).digest()
    return Entry(b"\0\0\0\1" + digest, found.kind, found.written, found.payload)


@lru_cache(maxsize=100)
def _entry_like(index: int) -> Entry:
    found = Directory(PER_DATABASE).document(index) | {"_rev": f"1-{'0' * 32}"}
    kept = entry_builder.entry_from_json(found, f"numbers/{found['_id'][:5]}", Policy(), int(time.time()))
    if isinstance(kept, Skipped):
        raise TypeError(f"{found['_id']} was skipped: {kept}")
    return kept


def whole_answer(number: str, found: Entry) -> bytes:
    """The LookupResponse that a caller gets."""
    return found.payload + route_suffix(number, found.version, pb.REDIS, stale=False)


def whole_refusal(number: str, found: Entry) -> bytes:
    """The Refusal that a caller gets, with its number."""
    refused = refusal_of(found.payload, number)
    return pb.Refusal(number=number, message=refused.message, state=refused.state).SerializeToString()


def _fill_database(made: Arena) -> None:
    """Accounts, and as many number documents as a fallback needs."""
    databases = CouchServer(CouchClient(made.couchdb_url, timeout=60))
    databases.database("accounts").create()
    databases.database("accounts").put_many([_account(each) for each in ACCOUNTS])
    numbers = Directory(min(made.directory.count, _FALLBACK_DOCUMENTS))
    for name, indexes in numbers.databases().items():
        databases.database(name).create()
        for start in range(indexes.start, indexes.stop, _PAGE):
            page = range(start, min(start + _PAGE, indexes.stop))
            databases.database(name).put_many([numbers.document(index) for index in page])


def _account(identifier: str) -> dict[str, object]:
    return {"_id": identifier, "pvt_type": "account", "name": identifier[:6], "pvt_enabled": True, "pvt_tree": []}


def _fill_redis(made: Arena) -> None:
    """By the follower's own writer, without the follower: a million documents need not be made for it."""
    client = connect(made.redis_url, timeout=10)
    writer = CacheStore(client, KEYS, TTLs(10, 86400, 300))
    token = Lease(client, KEYS, 600, "benchmark").acquire()
    before = client.info("memory")["used_memory"]
    for name, indexes in made.directory.databases().items():
        point = writer.checkpoints.begin_epoch(
            name, token, instance_start_time="0", purge_seq=0, fingerprint=entry_builder.entries_fingerprint(Policy())
        )
        for start in range(indexes.start, indexes.stop, _PAGE):
            if point is None:
                raise RuntimeError("Redis is in use by another follower")
            page = range(start, min(start + _PAGE, indexes.stop))
            entries = [(made.directory.number(index), entry(made.directory, index)) for index in page]
            writer.entries.apply(name, token, point, str(page.stop), entries)
            point = writer.checkpoints.get(name)
        writer.checkpoints.mark_complete(name, {"copy": "0"})
    made.redis_bytes = (client.info("memory")["used_memory"] - before) / made.directory.count
    _fill_followed(writer, token)
    _mark_reference_data_complete(client, len(made.directory.databases()))


def _fill_followed(writer: CacheStore, token: int) -> None:
    for name in REFERENCE_DATABASES:
        point = writer.checkpoints.begin_epoch(name, token, instance_start_time="0", purge_seq=0, fingerprint="")
        documents = [_account(each) | {"_rev": f"1-{'0' * 32}"} for each in ACCOUNTS] if name == "accounts" else []
        values = [(str(each["_id"]), entry_builder.document_value(name, each) or b"") for each in documents]
        if point is not None:
            writer.documents.clear(name, point.epoch)  # and say of which epoch they are
            writer.documents.apply(name, token, point, "1", values)
        writer.checkpoints.mark_complete(name, {"copy": "0"})


def _mark_reference_data_complete(client: RedisClient, databases: int) -> None:
    """Say what a follower at rest would say: answers are not stale (contestants run with a long stale_after)."""
    result = FollowerStatus(
        leader="benchmark",
        at=time.time(),
        phase="following",
        databases=databases,
        complete=databases,
        behind=0,
        lag=0.0,
        applied=0,
        feeds=0,
        database_up=True,
        lags={},
    )
    follower_status.publish(client, KEYS, result)
