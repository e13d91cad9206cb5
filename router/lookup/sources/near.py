"""Near cache: answers from the worker's own memory."""

import math
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from router.entries.codec import STALE_FIELD
from router.lookup.account_status import AccountStatusReader
from router.lookup.batch import Batch
from router.lookup.call import Call
from router.lookup.queued_call import REMAINING, CallHandle, QueuedCall
from router.lookup.responder import Responder
from router.near_cache.cache import NearCache, NearEntry
from router.numbers.routes import Refused
from router.trust.trust import STALE, UNAVAILABLE, Trust
from router.v1 import inbound_pb2 as pb


class NearCacheSource:
    """Answers from the near cache, and keeps answers of other sources in it.

    Attributes:
        generation: of the near cache; answers are kept under the one from before their rules and entries were read.
    """

    LAYER: ClassVar = "near_cache"

    def __init__(self, near: NearCache, accounts: AccountStatusReader, responder: Responder) -> None:
        self._near = near
        self.generation = near.generation
        self._accounts = accounts
        self._responder = responder

    def resolve(self, batch: Batch, trust: Trust) -> Batch:
        """Answer the calls whose number is in memory.

        It stands in the chain twice: where it could not be used at first, and Redis then turns out to be away, an old
        answer is better than none.
        """
        if batch.near_cache_was_read or trust.near is UNAVAILABLE:
            return batch
        batch.near_cache_was_read = True
        stale = trust.near is STALE
        now = time.monotonic()
        held, is_enabled = self._near.get, self._accounts.held_enabled
        rest = []
        for call in batch.calls:
            entry = held(call.e164)
            if entry is None or entry.until < now or (entry.account and not is_enabled(entry.account)):
                rest.append(call)
                continue
            if call.raw is not None:
                self._near.alias(call.raw, entry, batch.generation)
            if entry.answer is None:
                call.source = self.LAYER
                self._responder.refuse(call, entry.refusal)
            else:
                self._responder.counts.add("near_cache")
                call.route(entry.answer + STALE_FIELD if stale else entry.answer)
        batch.calls = rest
        return batch

    def resolve_requests(
        self,
        calls: Sequence[QueuedCall],
        trust: Trust,
        respond: Callable[[CallHandle, bytes], object],
        refuse: Callable[[CallHandle, NearEntry], None],
    ) -> tuple[Sequence[QueuedCall], int]:
        """Answer the calls whose exact request bytes are in memory: the fast path of unary calls.

        A call costs a look-up in a dictionary and one in a set; the stored response is sent as it is.

        Args:
            respond: sends a serialised LookupResponse.
            refuse: sends an entry's refusal.

        Returns:
            The other calls, and how many were routed.
        """
        by_request = self._near.by_request
        if not by_request or trust.near is UNAVAILABLE:  # empty for good where the near cache is off
            return calls, 0
        stale = trust.near is STALE
        cached, enabled = by_request.get, self._accounts.enabled_accounts
        rest = []
        refused = 0
        for call in calls:
            _, handle, _, request, _, details = call  # no details: an item that is no call, such as a reset
            entry = cached(request)
            if entry is None or ((remaining := details[REMAINING]) is not None and remaining <= 0):
                rest.append(call)
            elif entry.account in enabled and (answer := entry.answer) is not None:
                respond(handle, answer + STALE_FIELD if stale else answer)
            elif entry.answer is None and entry.until > time.monotonic():
                refused += 1
                refuse(handle, entry)
            else:
                rest.append(call)
        return rest, len(calls) - len(rest) - refused

    def keep_route(self, call: Call, account: str, answer: bytes, generation: int) -> None:
        """Keep a route from Redis; its account must be enabled whenever it is used.

        Args:
            answer: a serialised LookupResponse with NEAR_CACHE as its source.
        """
        self._near.put(call.e164, NearEntry(account, answer, None), generation, call.raw)

    def keep_refusal(self, call: Call, refusal: Refused, generation: int, ttl: float = math.inf) -> None:
        """Keep a refusal, for `ttl` seconds."""
        entry = NearEntry("", None, refusal, time.monotonic() + ttl)
        self._near.put(call.e164, entry, generation, call.raw)

    def describe(self, number: str, trust: Trust) -> pb.LayerView:
        """Return what this worker's near cache holds for a number."""
        entry = self._near.get(number)
        note = "" if trust.receives_invalidations else " (not trusted: its connection to Redis is down)"
        if entry is None:
            return pb.LayerView(detail=f"nothing kept by this worker{note}")
        if entry.answer is None:
            refusal = entry.refusal
            return pb.LayerView(
                present=True,
                detail=f"refuses: {refusal.reason.value}{note}",
                account_id=refusal.account_id,
                state=refusal.state,
            )
        kept = pb.LookupResponse.FromString(entry.answer)
        return pb.LayerView(
            present=True,
            revision=kept.revision,
            detail=f"routes to account {kept.account_id}{note}",
            account_id=kept.account_id,
            state=kept.state,
        )
