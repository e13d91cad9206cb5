"""A chain of answer sources over a Redis and a number database that are dictionaries."""

import time
from collections.abc import Sequence
from typing import ClassVar, cast
from unittest.mock import Mock

import redis

from router.entries import codec
from router.entries.codec import Entry
from router.lookup.account_status import AccountStatusReader
from router.lookup.active_rules import ActiveRules
from router.lookup.batch import Batch
from router.lookup.call import Call
from router.lookup.engine import LookupEngine
from router.lookup.negative_answers import NegativeAnswers
from router.lookup.origin_reader import OriginReader
from router.lookup.responder import Responder
from router.lookup.sources.near import NearCacheSource
from router.lookup.sources.negative_ranges import NegativeRangeSource
from router.lookup.sources.redis import RedisSource
from router.near_cache.cache import NearCache
from router.numbers import rules
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.routes import Refused, Route
from router.redis_store.entry_reader import EntryReader
from router.redis_store.keys import Keys
from router.reference_data.reference_data import ReferenceData
from router.trust.monitor import TrustMonitor
from router.trust.trust import Trust
from router.v1 import inbound_pb2 as pb

ACCOUNT = "1" * 32
REVISION = f"1-{'a' * 32}"


class RecordedCall(Call):
    """A call that keeps its results."""

    __slots__ = ("results",)

    def __init__(self, number: str, *, authoritative: bool = False, raw: bytes | None = None) -> None:
        super().__init__(number, "", time.monotonic() + 3600, authoritative=authoritative, raw=raw)
        self.results: list[pb.LookupResponse | Refused] = []

    def route(self, answer: bytes) -> None:
        self.results.append(pb.LookupResponse.FromString(answer))

    def refuse(self, refusal: Refused) -> None:
        self.results.append(refusal)


class StoredEntries:
    """Redis: entries by number; it may fail, and counts its requests."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.fails = False
        self.requests = 0

    def entries(self, numbers: Sequence[str]) -> list[bytes | None]:
        self.requests += 1
        if self.fails:
            raise redis.ConnectionError("away")
        return [self.values.get(number) for number in numbers]


class RecordedOrigin:
    """The end of the chain; keeps what comes to it."""

    LAYER: ClassVar = "number_database"

    def __init__(self) -> None:
        self.numbers: list[str] = []
        self.corrupt: list[str] = []

    def resolve(self, batch: Batch, _: Trust) -> Batch:
        self.numbers += [call.e164 for call in (*batch.for_origin, *batch.calls)]
        self.corrupt += batch.corrupt
        return batch

    def describe(self, number: str, _: Trust) -> pb.LayerView:
        return pb.LayerView(detail=number)


class Chain:
    """All sources, trusted until a test says otherwise; ACCOUNT is enabled."""

    def __init__(self) -> None:
        self.trust = TrustMonitor()
        self.trust.set_complete(frozenset(REFERENCE_DATABASES))
        self.trust.set_reference_data_synced(synced=True)
        self.trust.set_receives_invalidations(receives=True)
        self.reference_data = ReferenceData(Mock(), Keys("did-router:"), self.trust)
        self.reference_data.enabled.add(ACCOUNT)
        self.near = NearCache(100, 1_000_000, self.trust)
        self.redis = StoredEntries()
        self.origin = RecordedOrigin()
        accounts = AccountStatusReader(
            self.reference_data, cast("OriginReader", None), self.trust, refuse_unknown=False
        )
        active_rules = ActiveRules(rules.build(None))
        responder = Responder(accounts, active_rules, self.trust)
        near = NearCacheSource(self.near, accounts, responder)
        negatives = NegativeAnswers(accounts, responder, near)
        stored = RedisSource(cast("EntryReader", self.redis), self.trust, accounts, responder, negatives, near)
        ranges = NegativeRangeSource(self.near.negative_ranges, negatives)
        self.lookup = LookupEngine([near, stored, near, ranges, self.origin], responder, active_rules, self.trust, near)

    def ask(self, number: str, *, authoritative: bool = False) -> RecordedCall:
        """Look a number up."""
        call = RecordedCall(number, authoritative=authoritative)
        self.lookup.answer([call])
        return call

    def route(self, number: str, *, authoritative: bool = False) -> pb.LookupResponse:
        """Look a number up that routes."""
        (result,) = self.ask(number, authoritative=authoritative).results
        assert isinstance(result, pb.LookupResponse), result
        return result

    def list_nothing(self, database: str, first: str) -> None:
        """Add a negative range that begins at `first` and has no end."""
        ranges = self.near.negative_ranges
        ranges.close(ranges.open(database, first, 0.0), [], None, time.monotonic() + 3600)


def route_entry(number: str, account: str = ACCOUNT) -> Entry:
    """Return the entry of a number that routes to an account."""
    return codec.decision_entry(Route(number, account, "in_service", REVISION), REVISION, int(time.time()))
