"""Composes and runs one worker's service: lookups, the number manager, their transport and the admin pages."""

import time
from contextlib import ExitStack

import orjson

from router.follower.follower import Follower
from router.lookup.account_status import AccountStatusReader
from router.lookup.active_rules import ActiveRules
from router.lookup.explain import Explainer
from router.lookup.origin_reader import OriginReader
from router.manager.manager import NumberManager
from router.near_cache.cache import InvalidationListener, NearCache
from router.redis_store.follower_status import FollowerStatus
from router.reference_data.reference_data import ReferenceData
from router.runtime.counters import LabelledCounters
from router.runtime.json_messages import json_of
from router.server.admin import metrics
from router.server.admin.pages import JSON, TEXT, AdminServer, Page
from router.server.admin.readiness import Readiness, State
from router.server.api.inbound_servicer import InboundServicer
from router.server.api.number_manager_servicer import NumbersServicer
from router.server.auth.authorizer import TokenCounts, open_authorizer
from router.server.auth.tls_files import open_certificates
from router.server.auth.tokens import ADMIN
from router.server.calls.batcher import Batcher
from router.server.http_transport import open_http
from router.server.lookup_chain import build_lookup
from router.server.maintenance import MaintenanceTimer
from router.server.observation.observation import Observation
from router.server.observation.opening import open_call_log, open_recorder
from router.server.observation.otel import open_tracer
from router.server.observation.protocols import GRPC
from router.server.switch_transports import open_enum, open_sip
from router.server.transport import UNIX_PREFIX, open_transport
from router.settings import Settings
from router.settings.rules import build_rules, build_rules_or_defaults
from router.stores.clients import Stores
from router.trust.monitor import TrustMonitor

_SYNC_TIMEOUT = 1.0
"""Seconds that a start waits for the reference data in Redis before it continues without."""


class Service:
    """Answers lookups from `start` until `stop`; Redis and CouchDB may fail and return in any order.

    Args:
        with_follower: run the follower in this process too.
        reuse_port: other workers listen on the same address.
        core: pins the threads of the hit path; None for any core.

    Raises:
        SettingsError: a URL, a token file or a certificate can't be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        with_follower: bool = False,
        reuse_port: bool = False,
        core: int | None = None,
    ) -> None:
        self.settings = settings
        self.stores = stores = Stores(settings)
        self._call_log = open_call_log(settings)
        self.observation = observation = Observation(open_recorder(settings, self._call_log), open_tracer(settings))
        self.trust = TrustMonitor()
        self.followed = ReferenceData(stores.redis, stores.keys, self.trust, self._reconfigure, self._clear_near_cache)
        near_entries = settings.near_cache.entries if stores.can_track else 0
        self.near = NearCache(near_entries, settings.near_cache.bytes, self.trust)
        self._invalidations = InvalidationListener(stores.redis, stores.keys, self.near, self.trust)
        origin_reader = OriginReader(stores.lookup_databases)
        account_status = AccountStatusReader(
            self.followed, origin_reader, self.trust, refuse_unknown=settings.routing.unknown_account == "refuse"
        )
        self.rules = ActiveRules(build_rules(settings, None))
        self.lookup, self.origin = build_lookup(
            settings, stores, self.rules, self.trust, account_status, origin_reader, self.near
        )
        self._explainer = explainer = Explainer(
            self.lookup,
            self.rules,
            self.trust,
            stores.lookup_writer,
            self.followed,
            origin_reader,
            stale_after=settings.cache.stale_after,
        )
        servicer = InboundServicer(
            self.lookup,
            explainer,
            max_waiting=settings.lookup.max_queued_calls,
            default_timeout=settings.lookup.timeout,
            observer=observation.lookups_over(GRPC),
        )
        self.manager = NumberManager(settings, stores)
        self._authorizer = open_authorizer(settings)
        self._numbers = NumbersServicer(self.manager, threads=settings.manager.threads, authorizer=self._authorizer)
        certificates = open_certificates(settings)
        self.transport = open_transport(
            settings,
            servicer,
            self._numbers,
            observation=observation,
            reuse_port=reuse_port,
            core=core,
            authorizer=self._authorizer,
            certificates=certificates,
        )
        self._batcher = Batcher(
            self.transport.call_source,
            self.lookup,
            batch_size=settings.lookup.batch_size,
            max_waiting=settings.lookup.max_queued_calls,
            default_timeout=settings.lookup.timeout,
            observation=observation,
            protocol=GRPC,
            core=self.transport.core,
        )
        try:
            self._open_switch_transports(explainer, reuse_port=reuse_port)
        except BaseException:  # such as an address in use: `stop` will not be called
            self.transport.close()
            raise
        self.readiness = Readiness(
            stores.lookup_redis,
            stores.keys,
            origin_reader,
            self.trust,
            stale_after=settings.cache.stale_after,
            on_change=self._publish_health,
            on_return=self._invalidations.reconnect if self.near.enabled else lambda: None,
            on_configuration=self._configure_from_database,
        )
        self.follower = Follower(settings, stores) if with_follower else None
        self.maintenance = None if self.follower is None else MaintenanceTimer(settings, stores, self.follower)
        parts = metrics.WorkerParts(
            observation,
            self.transport.statistics,
            self.lookup,
            self.origin,
            account_status,
            self.near,
            stores,
            self.trust,
            self.manager,
            self.readiness,
            self._call_log,
            TokenCounts() if self._authorizer is None else self._authorizer.counts,
        )
        self._registry = metrics.build_registry(
            metrics.WorkerMetrics(parts, type(self.transport).NAME, settings.fingerprint()), self.follower
        )
        self.admin = AdminServer(
            settings.server.admin_listen,
            self._pages(),
            self._authorizer,
            certificates,
            {"/near_cache/": self._near_cache_page},
        )
        self._started_at = time.time()
        self._draining = False
        self._section: dict[str, object] | None = None
        self._running = ExitStack()

    def _open_switch_transports(self, explainer: Explainer, *, reuse_port: bool) -> None:
        settings, lookup, observation = self.settings, self.lookup, self.observation
        self.http = open_http(
            settings,
            lookup,
            explainer,
            self.manager,
            authorizer=self._authorizer,
            observation=observation,
            reuse_port=reuse_port,
        )
        shared = reuse_port or settings.server.listen.startswith(UNIX_PREFIX)
        self.sip = open_sip(settings, lookup, self.followed.realms, self._can_answer, observation, reuse_port=shared)
        self.enum = open_enum(settings, lookup, self.followed.realms, observation, reuse_port=shared)

    def start(self) -> None:
        """Start every part, and listen. Where a part fails, those started before it are stopped.

        Raises:
            AddressInUseError, OSError: an address can't be listened on.
        """
        with ExitStack() as started:
            started.callback(self.transport.close)  # where a part before it fails
            self._start_parts(started)
            self._running = started.pop_all()

    def _start_parts(self, started: ExitStack) -> None:
        """Start the parts in the order of their dependencies; the stack stops them in the reverse order."""
        for part in (self.admin, self.stores.master_watcher):
            part.start()
            started.callback(part.stop)
        for writer in (self._call_log, self.observation.tracer):
            if writer is not None:
                writer.start()
                started.callback(writer.stop)
        if self.near.enabled:
            self._invalidations.start()
            started.callback(self._invalidations.stop)
        for each in (self.followed, self.follower, self.maintenance):
            if each is not None:
                each.start()
                started.callback(each.stop)
        started.callback(self.manager.close)
        started.callback(self._numbers.stop)
        self.origin.start()
        started.callback(self.origin.stop)
        self.followed.wait_synced(_SYNC_TIMEOUT)
        self._batcher.start()
        started.callback(self._batcher.stop)  # after the transport: running calls still need it
        self.transport.start()
        started.callback(self.transport.stop, self.settings.server.shutdown_grace_period)
        for switches in (self.http, self.sip, self.enum):
            switches.start()
            started.callback(switches.stop, self.settings.server.shutdown_grace_period)
        self.readiness.start()
        started.callback(self.readiness.stop)

    def announce_end(self) -> None:
        """Report NOT_SERVING, and go on answering."""
        self._draining = True
        self.transport.set_serving(serving=False, managing=False)
        self.http.announce_end()
        self.sip.announce_end()

    def stop(self) -> None:
        """Report NOT_SERVING, finish the running calls, then stop every part."""
        self.announce_end()
        self._running.close()

    def _can_answer(self) -> bool:
        return self.readiness.state.serving

    def describe(self) -> dict[str, object]:
        """Return the content of /state."""
        state = self.readiness.state
        return {
            "state": "draining" if self._draining else state.name,
            "why": state.why,
            "redis": state.redis,
            "database": state.database,
            "stale": state.stale,
            "follower": None if state.follower is None else _follower_json(state.follower),
            "lookups": _totals(self.observation.lookups),
            "database_reads": self.origin.counts.all(),
            "number_operations": _totals(self.manager.counts),
            "uptime_seconds": round(time.time() - self._started_at, 1),
        }

    def metrics_page(self) -> bytes:
        """Return the content of /metrics."""
        return metrics.exposition(self._registry)

    def _reconfigure(self) -> None:
        """Apply the cluster's configuration from Redis."""
        self.rules.current = build_rules_or_defaults(self.settings, self.followed.config)
        self._clear_near_cache()

    def _clear_near_cache(self) -> None:
        """Clear the near cache after a change of port requests or rules, which its entries depend on."""
        self.near.clear()

    def _configure_from_database(self, section: dict[str, object] | None) -> None:
        """Apply the cluster's configuration from CouchDB while Redis has none."""
        if section != self._section:
            self._section = section
            self.rules.current = build_rules_or_defaults(self.settings, section)
            self._clear_near_cache()

    def _publish_health(self, state: State) -> None:
        if not self._draining:
            self.transport.set_serving(serving=state.serving, managing=state.database)

    def _pages(self) -> dict[str, Page]:
        return {
            "/healthz": lambda _: (200, TEXT, b"alive\n"),
            "/readyz": self._ready_page,
            "/state": lambda _: (200, JSON, orjson.dumps(self.describe(), option=orjson.OPT_INDENT_2)),
            "/recent": lambda _: (200, JSON, orjson.dumps(self._recent())),
            "/metrics": lambda _: (200, TEXT, self.metrics_page()),
        }

    def _near_cache_page(self, authorization: str | None, argument: str) -> tuple[int, str, bytes]:
        """Return what this worker's near cache holds for a number in E.164."""
        del authorization  # checked by the admin server
        return 200, JSON, orjson.dumps(json_of(self._explainer.near_view(argument)), option=orjson.OPT_INDENT_2)

    def _recent(self) -> list[dict[str, object]]:
        return [record.to_json() for record in self.observation.recorder.recent.newest()]

    def _ready_page(self, authorization: str | None) -> tuple[int, str, bytes]:
        """Return the readiness to any caller, and its reason, which names addresses, to an authorized one."""
        state = self.readiness.state
        ready = state.serving and not self._draining
        is_authorized = self._authorizer is None or self._authorizer.refusal(ADMIN, authorization) is None
        text = f"{state.name}: {state.why}" if is_authorized else state.name
        return 200 if ready else 503, TEXT, f"{text}\n".encode()


def _follower_json(status: FollowerStatus) -> dict[str, object]:
    """Return a status with its age, which its own time does not tell: hosts' clocks differ."""
    return {**status.to_json(), "age_seconds": round(status.age, 3)}


def _totals(counts: LabelledCounters) -> dict[str, int]:
    """Return counts by the values of their labels, for people."""
    return {" ".join(filter(None, labels)): count for labels, count in sorted(counts.all().items())}
