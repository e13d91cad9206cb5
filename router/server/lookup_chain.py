"""Composes the chain of answer sources of a worker."""

from router.lookup.account_status import AccountStatusReader
from router.lookup.active_rules import ActiveRules
from router.lookup.cache_filler import CacheFiller
from router.lookup.engine import LookupEngine
from router.lookup.negative_answers import NegativeAnswers
from router.lookup.origin_reader import OriginReader
from router.lookup.responder import Responder
from router.lookup.scan_detector import ScanDetector
from router.lookup.sources.near import NearCacheSource
from router.lookup.sources.negative_ranges import NegativeRangeSource
from router.lookup.sources.origin import OriginSource
from router.lookup.sources.redis import RedisSource
from router.lookup.sources.source import AnswerSource
from router.near_cache.cache import NearCache
from router.runtime.circuit_breaker import CircuitBreaker
from router.runtime.cpu_affinity import unpin_thread
from router.settings import Settings
from router.stores.clients import Stores
from router.trust.monitor import TrustMonitor


def build_lookup(
    settings: Settings,
    stores: Stores,
    rules: ActiveRules,
    trust: TrustMonitor,
    accounts: AccountStatusReader,
    reader: OriginReader,
    near: NearCache,
) -> tuple[LookupEngine, OriginSource]:
    """Return the lookup engine, and the last source of its chain, which has to be started and stopped.

    Without a near cache, the chain is Redis and the origin: negative ranges need the near cache's connection.
    """
    responder = Responder(accounts, rules, trust)
    near_source = NearCacheSource(near, accounts, responder)
    kept = near_source if near.enabled else None
    negatives = NegativeAnswers(accounts, responder, kept)
    redis = RedisSource(stores.lookup_reader, trust, accounts, responder, negatives, kept)
    origin = OriginSource(
        reader,
        CacheFiller(stores.lookup_writer, trust),
        responder,
        breaker=CircuitBreaker(settings.circuit_breaker.failures, settings.circuit_breaker.reset_timeout),
        connections=settings.couchdb.read_pool_size,
        max_pending=settings.couchdb.max_pending_reads,
        max_wait=settings.lookup.timeout,
        scans=ScanDetector(reader, near.negative_ranges, trust, settings.cache.negative_ttl),
        in_each_thread=unpin_thread,
    )
    sources: list[AnswerSource] = [redis, origin]
    if near.enabled:
        sources = [near_source, redis, near_source, NegativeRangeSource(near.negative_ranges, negatives), origin]
    return LookupEngine(sources, responder, rules, trust, near_source), origin
