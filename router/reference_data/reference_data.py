"""The followed documents that are few and that every lookup depends on, held in memory by each worker.

Accounts (is it enabled?), port requests (whose number is coming in?) and the number manager's configuration.
In Redis each database is a hash of id → version and value; each change is published as it is applied. A worker
subscribes first, then loads, then applies what is published. While the subscription is lost, nothing proves what it
holds to be current.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import redis

from router.entries.codec import VERSION
from router.entries.reference_values import ActivePortRequest, content_of, is_valid_value
from router.numbers.kazoo_databases import ACCOUNTS, NUMBER_MANAGER, PORT_REQUESTS, REFERENCE_DATABASES, SYSTEM_CONFIG
from router.redis_store.commands import RedisClient
from router.redis_store.keys import CORRUPT, EPOCH, Keys
from router.redis_store.subscription import Subscription
from router.redis_store.wrong_type import is_wrong_type
from router.reference_data.realms import Realms
from router.runtime.background_thread import BackgroundThread
from router.runtime.backoff import Backoff
from router.trust.monitor import TrustMonitor
from router.trust.trust import FRESH

log = logging.getLogger(__name__)

_POLL_INTERVAL = 0.5


class ReferenceData:
    """Accounts, port requests and configuration in a worker's memory; reading them takes no lock.

    Args:
        trust: learns whether the subscription stands, and which databases are held as a whole.
        on_config: called after the configuration changed.
        on_port_requests: called after port requests changed.

    Attributes:
        enabled, disabled: ids of accounts that exist.
        realms: the accounts' SIP realms.
        port_requests: active port requests by number.
        config: the `default` section of system_config's number_manager; None where there is none.
    """

    def __init__(
        self,
        client: RedisClient,
        keys: Keys,
        trust: TrustMonitor,
        on_config: Callable[[], None] = lambda: None,
        on_port_requests: Callable[[], None] = lambda: None,
    ) -> None:
        self._redis = client
        self._keys = keys
        self._trust = trust
        self._on_config = on_config
        self._on_port_requests = on_port_requests
        self._versions: dict[tuple[str, str], bytes] = {}
        self._requests: dict[str, ActivePortRequest] = {}
        self._thread = BackgroundThread(
            "reference-data",
            self._subscribe,
            failing="the subscription to reference data is lost",
            interval=_POLL_INTERVAL,
            log=log,
            expected=(redis.RedisError, OSError, ValueError),
            logs_repeats=False,
            backoff=Backoff(_POLL_INTERVAL / 2, 5.0, jitter=0.0),
        )
        self.enabled: set[str] = set()
        self.disabled: set[str] = set()
        self.realms = Realms()
        self.port_requests: dict[str, tuple[ActivePortRequest, ...]] = {}
        self.config: dict[str, Any] | None = None

    def start(self) -> None:
        """Load once if Redis answers, then keep it true in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop()

    def wait_synced(self, seconds: float) -> bool:
        """Wait until Redis has been read; return False where that took longer."""
        end = time.monotonic() + seconds
        while self._trust.current.reference is not FRESH and time.monotonic() < end:
            time.sleep(0.01)
        return self._trust.current.reference is FRESH

    def version(self, database: str, identifier: str) -> bytes | None:
        """The version held of a document; for explain."""
        return self._versions.get((database, identifier))

    def _subscribe(self) -> None:
        with Subscription(self._redis) as subscription:
            # Nothing published between the loading and the reading of messages may be lost.
            subscription.subscribe(self._keys.changes)
            try:
                self._load()
                self._trust.set_reference_data_synced(synced=True)
                self._thread.failures = 0
                while not self._thread.stopping:
                    published = subscription.receive(_POLL_INTERVAL)
                    if published is not None:
                        self._take(published.content)
            finally:
                self._trust.set_reference_data_synced(synced=False)

    def _take(self, message: bytes) -> None:
        database, _, rest = message.partition(b"\0")
        identifier, _, value = rest.partition(b"\0")
        if not identifier:
            self._load()
            return
        self._apply(database.decode(), identifier.decode("utf-8", "replace"), value)
        self._index_port_requests()

    def _load(self) -> None:
        """Read everything; what is held stays in use until it is replaced.

        What Redis does not hold as a whole is asked of CouchDB; the configuration is that of before as long.
        """
        old_config = self.config
        read = {name: self._read(name) for name in REFERENCE_DATABASES}
        whole = {name: documents for name, (documents, complete) in read.items() if complete or name != SYSTEM_CONFIG}
        complete_databases = {name for name, (_, complete) in read.items() if complete}
        # Before documents are dropped: a missing one must not count as one that does not exist.
        self._trust.set_complete(self._trust.current.complete & complete_databases)
        self._forget_missing(whole)
        for name, documents in whole.items():
            for identifier, value in documents.items():
                self._apply(name, identifier.decode("utf-8", "replace"), value, reload=True)
        self._index_port_requests()
        self._trust.set_complete(complete_databases)
        if self.config != old_config:
            self._on_config()

    def _read(self, database: str) -> tuple[dict[bytes, bytes], bool]:
        """The documents that Redis holds of a database, and whether these are all of them."""
        complete, epoch = self._hash(self._keys.database(database), "complete", "epoch")
        (marked,) = self._hash(self._keys.documents(database), EPOCH)
        if marked != CORRUPT and (epoch is None or marked != epoch):
            return {}, False  # lost, or being read by the follower
        documents: dict[bytes, bytes] = self._redis.hgetall(self._keys.documents(database))
        documents.pop(EPOCH.encode(), None)
        sound = {identifier: value for identifier, value in documents.items() if is_valid_value(database, value)}
        if len(sound) < len(documents):
            log.error("reference documents of another type are read again: database=%s", database)
            self._redis.hset(self._keys.documents(database), EPOCH, CORRUPT)  # the follower looks there
            return sound, False
        return documents, complete == b"1" and marked == epoch

    def _hash(self, key: str, *fields: str) -> list[bytes | None]:
        """Some fields; none where something else stands."""
        try:
            found: list[bytes | None] = self._redis.hmget(key, *fields)
        except redis.ResponseError as problem:
            if not is_wrong_type(problem):
                raise
            return [None] * len(fields)
        return found

    def _forget_missing(self, seen: Mapping[str, Mapping[bytes, bytes]]) -> None:
        present = {
            (name, identifier.decode("utf-8", "replace")) for name, found in seen.items() for identifier in found
        }
        for name, identifier in [key for key in self._versions if key[0] in seen and key not in present]:
            self._apply(name, identifier, b"", reload=True)
            self._versions.pop((name, identifier), None)

    def _apply(self, database: str, identifier: str, value: bytes, *, reload: bool = False) -> None:
        version, payload = value[:VERSION], value[VERSION:]
        if not reload and version < self._versions.get((database, identifier), b""):
            return  # published before what was loaded
        self._versions[database, identifier] = version
        if database == ACCOUNTS:
            self._apply_account(identifier, payload)
        elif database == PORT_REQUESTS:
            self._apply_port(identifier, payload)
        elif database == SYSTEM_CONFIG and identifier == NUMBER_MANAGER:
            self._apply_config(payload, reload=reload)

    def _apply_account(self, account: str, payload: bytes) -> None:
        state, realm = payload[:1], payload[1:]
        (self.enabled.add if state == b"1" else self.enabled.discard)(account)
        (self.disabled.add if state == b"0" else self.disabled.discard)(account)
        self.realms.put(account, realm.decode("ascii", "ignore"))

    def _apply_port(self, request: str, payload: bytes) -> None:
        self._requests.pop(request, None)
        if value := _content_of(PORT_REQUESTS, payload):
            account, *numbers = value
            self._requests[request] = ActivePortRequest(request, account, tuple(numbers))

    def _apply_config(self, payload: bytes, *, reload: bool) -> None:
        self.config = _content_of(SYSTEM_CONFIG, payload) or None
        if not reload:
            self._on_config()

    def _index_port_requests(self) -> None:
        before, self.port_requests = self.port_requests, index_by_number(self._requests.values())
        if self.port_requests != before:
            self._on_port_requests()


def _content_of(database: str, payload: bytes) -> Any:
    """Decode a value; a corrupt one must not hide the documents beside it."""
    try:
        return content_of(database, payload)
    except ValueError as problem:
        log.error("corrupt reference document in Redis: database=%s error=%s value=%.80r", database, problem, payload)
        return None


def index_by_number(requests: Iterable[ActivePortRequest]) -> dict[str, tuple[ActivePortRequest, ...]]:
    """Active port requests by number."""
    found: dict[str, tuple[ActivePortRequest, ...]] = {}
    for request in requests:
        for number in request.numbers:
            found[number] = (*found.get(number, ()), request)
    return found
