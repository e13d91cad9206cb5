"""Redis: answers from the entries that the follower and other lookups wrote, with one MGET for a batch."""

import logging
import time
from collections.abc import Sequence
from enum import Enum
from typing import ClassVar

from google.protobuf.message import DecodeError

from router.entries.codec import (
    HEADER,
    REFUSAL,
    ROUTE,
    VERSION,
    account_of,
    is_valid_entry,
    refusal_of,
    route_suffix,
    unpack,
)
from router.lookup.account_status import AccountStatusReader
from router.lookup.batch import Batch
from router.lookup.call import Call
from router.lookup.descriptions import describe_entry, state_of
from router.lookup.negative_answers import NegativeAnswers
from router.lookup.responder import Responder
from router.lookup.sources.near import NearCacheSource
from router.redis_store.client import RedisUnavailableError
from router.redis_store.entry_reader import EntryReader
from router.trust.monitor import TrustMonitor
from router.trust.trust import FRESH, UNAVAILABLE, Trust
from router.v1 import inbound_pb2 as pb

log = logging.getLogger(__name__)

_ROUTE, _REFUSAL = ROUTE[0], REFUSAL[0]


class _Hit(Enum):
    """The result of an entry for a call."""

    ROUTED = "routed"
    ANSWERED = "answered in another way"
    UNDECIDED = "undecided"
    """Its account or port requests are not in memory, or it can't be read: the database decides."""


_ROUTED, _ANSWERED, _UNDECIDED = _Hit.ROUTED, _Hit.ANSWERED, _Hit.UNDECIDED


class RedisSource:
    """Answers from Redis.

    Args:
        trust: learns whether Redis responds.
        near: keeps the answers in the worker's memory; None without a near cache.
    """

    LAYER: ClassVar = "redis"

    def __init__(
        self,
        reader: EntryReader,
        trust: TrustMonitor,
        accounts: AccountStatusReader,
        responder: Responder,
        negatives: NegativeAnswers,
        near: NearCacheSource | None,
    ) -> None:
        self._reader = reader
        self._trust = trust
        self._accounts = accounts
        self._responder = responder
        self._negatives = negatives
        self._near = near

    def resolve(self, batch: Batch, trust: Trust) -> Batch:
        """Answer the calls whose number has an entry."""
        if not batch.calls or trust.redis is UNAVAILABLE:
            return batch
        values = self._read(batch.calls)
        if values is None:
            return batch
        stale = trust.redis is not FRESH
        routed = 0
        missing = []
        for call, value in zip(batch.calls, values, strict=True):
            if value is None:
                missing.append(call)
            elif not is_valid_entry(value):
                batch.corrupt.append(call.e164)
                batch.for_origin.append(call)
            else:
                hit = self._answer_safely(call, value, batch.generation, stale=stale)
                if hit is _ROUTED:
                    routed += 1
                elif hit is _UNDECIDED:
                    batch.for_origin.append(call)
        if routed:
            self._responder.counts.add("redis", routed)  # once a batch: counting takes a lock
        batch.calls = missing
        return batch

    def describe(self, number: str, trust: Trust) -> pb.LayerView:
        """Return the entry that Redis holds for a number."""
        del trust  # a read that fails says more
        value = self._reader.entries([number])[0]
        if value is None:
            return pb.LayerView(detail="nothing kept")
        entry = unpack(value)
        if entry is None:
            raise ValueError("it was cut short, or is none of ours")
        return pb.LayerView(
            present=True,
            revision=entry.revision,
            age_seconds=max(0.0, round(time.time() - entry.written, 3)),
            detail=describe_entry(entry, number),
            account_id=entry.account_id,
            state=state_of(entry, number),
        )

    def _read(self, calls: Sequence[Call]) -> list[bytes | None] | None:
        """Return the entries' bytes; None where Redis does not respond."""
        try:
            found = self._reader.entries([call.e164 for call in calls])
        except RedisUnavailableError as problem:
            self._responder.counts.add("redis_failed")
            if self._trust.redis_failed():
                log.warning("circuit breaker opened: store=redis error=%s", problem)
            return None
        self._trust.redis_responded()
        return found

    def _answer_safely(self, call: Call, value: bytes, generation: int, *, stale: bool) -> _Hit:
        """Like `_answer`, but treats an undecodable value as a miss instead of failing the batch."""
        try:
            return self._answer(call, value, generation, stale=stale)
        except (ValueError, DecodeError) as problem:
            log.warning("entry can't be read: store=redis number=%s error=%s", call.e164, problem)
            return _UNDECIDED

    def _answer(self, call: Call, value: bytes, generation: int, *, stale: bool) -> _Hit:
        if value[VERSION] != _ROUTE:
            return self._answer_other(call, value, generation)
        account = account_of(value)
        enabled = self._accounts.held_enabled(account)
        if enabled is None:
            return _UNDECIDED
        if not enabled:
            call.source = self.LAYER
            self._responder.refuse_account(call, account, value[HEADER:], self._accounts.held_refusal(account))
            return _ANSWERED
        payload, version = value[HEADER:], value[:VERSION]
        call.route(payload + route_suffix(call.e164, version, pb.REDIS, stale=stale))
        if self._near is not None:
            near_answer = payload + route_suffix(call.e164, version, pb.NEAR_CACHE, stale=False)
            self._near.keep_route(call, account, near_answer, generation)
        return _ROUTED

    def _answer_other(self, call: Call, value: bytes, generation: int) -> _Hit:
        """Answer with a refusal, or for a number without a document."""
        if value[VERSION] != _REFUSAL:
            return _ANSWERED if self._negatives.answer(call, self.LAYER, generation) else _UNDECIDED
        refusal = refusal_of(value[HEADER:], call.e164)
        if self._near is not None:
            self._near.keep_refusal(call, refusal, generation)
        call.source = self.LAYER
        self._responder.refuse(call, refusal)
        return _ANSWERED
