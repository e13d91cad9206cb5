"""The answer, a batch at a time: normalise, read Redis once, and hand what is left to the fallback."""

import logging
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from google.protobuf.message import DecodeError

from router.entries.codec import (
    HEADER,
    REFUSAL,
    ROUTE,
    STALE_FIELD,
    VERSION,
    Entry,
    account_of,
    is_valid_entry,
    negative_entry,
    port_request_response,
    refusal_of,
    route_suffix,
)
from router.entries.reference_values import ActivePortRequest
from router.lookup.account_status import AccountStatus, AccountStatusReader
from router.lookup.call import Call
from router.lookup.fallback import Fallback
from router.near_cache.cache import NearCache, NearEntry
from router.numbers.fields import printable
from router.numbers.normaliser import MAX_NUMBER_BYTES, UnknownDialPlanError, is_too_long
from router.numbers.routes import Reason, Refused, port_request_route
from router.numbers.rules import Rules
from router.redis_store.client import RedisUnavailableError
from router.redis_store.entry_reader import EntryReader
from router.runtime.counters import Counters
from router.trust.monitor import TrustMonitor
from router.trust.trust import FRESH, STALE, UNAVAILABLE, Trust
from router.v1 import inbound_pb2 as pb

log = logging.getLogger(__name__)

_ACCOUNT_MESSAGES = {
    AccountStatus.DISABLED: "is disabled (pvt_enabled in the accounts database)",
    AccountStatus.MISSING: "has no document in the accounts database, or one marked deleted: "
    "assign the number to an account that exists (unknown_account is refuse)",
}
_ROUTED = object()
_NEGATIVE = negative_entry(0).pack()

_NEGATIVE_TTL = 2.0
"""Seconds that "no such number" stays in the near cache: an expiry in Redis may be told late."""


class LookupEngine:
    """Answers calls in batches.

    `answer` never waits for a database: calls that miss are answered later, by the fallback's threads.

    Attributes:
        rules: dial plans and routing policy; replaced as a whole when the configuration changes.
        counts: outcomes by name, for metrics.
    """

    def __init__(
        self,
        reader: EntryReader,
        trust: TrustMonitor,
        fallback: Fallback,
        accounts: AccountStatusReader,
        rules: Rules,
        near: NearCache,
    ) -> None:
        self._reader = reader
        self._trust = trust
        self._fallback = fallback
        self._accounts = accounts
        self.rules = rules
        self.near = near
        self.counts = Counters()

    def answer(self, calls: Sequence[Call]) -> None:
        """Answer each call once: at once what is decided or cached, the rest when the database was read."""
        # Before the rules are looked at: nothing is kept of what went by rules that have changed meanwhile.
        clock = self.near.generation()
        ready = self._normalised(calls)
        cached = [call for call in ready if not call.authoritative]
        misses = [call for call in ready if call.authoritative]
        passed_over = self._trust.current.near is UNAVAILABLE
        if self.near.enabled:
            cached = self._answer_from_near_cache(cached, clock)
        values = self._read(cached)
        if passed_over and self._trust.current.redis is UNAVAILABLE:
            # Only now it shows that Redis is gone: what is near is better than nothing.
            cached = self._answer_from_near_cache(cached, clock)
            values = [None] * len(cached)
        values = self._absent(cached, values)
        routed = 0
        spoilt = []
        for call, value in zip(cached, values, strict=True):
            if value is not None and not is_valid_entry(value):
                spoilt.append(call.e164)
                value = None  # noqa: PLW2901 - what can't be read is not there
            found = value is not None and self._hit_safely(call, value, clock)
            if found is _ROUTED:
                routed += 1
            elif not found:
                misses.append(call)
        self._fallback.discard(spoilt)
        if routed:
            self.counts.add("redis", routed)  # once a batch: counting takes a lock
        if misses:
            self.counts.add("miss", len(misses))
            self._fallback.submit(misses, self.rules.policy)

    @property
    def trust(self) -> Trust:
        """What may be trusted now."""
        return self._trust.current

    @property
    def enabled_accounts(self) -> AbstractSet[str]:
        """Accounts known to be enabled: a kept route of another one has to be looked into."""
        return self._accounts.enabled_accounts

    def settle(self, call: Call, found: Entry) -> None:
        """Answer a call from what the database said; runs in the fallback's threads.

        Raises:
            CouchError: the account had to be asked for, and could not be.
        """
        if found.kind == ROUTE:
            account = found.account_id
            status = self._accounts.status(account, authoritative=call.authoritative)
            if status is not AccountStatus.ENABLED:
                self._refuse_account(call, account, found.payload, status)
                return
            self.counts.add("number_database")
            call.route(found.payload + route_suffix(call.e164, found.version, pb.NUMBER_DATABASE, stale=False))
            return
        if found.kind == REFUSAL:
            self.refuse(call, refusal_of(found.payload, call.e164))
            return
        self._nothing(call, self._accounts.port_requests(call.e164, authoritative=call.authoritative))

    def _normalised(self, calls: Sequence[Call]) -> list[Call]:
        """The calls that have a number to look for; the others are answered."""
        now = time.monotonic()
        e164 = self.rules.normaliser.e164
        ready = []
        for call in calls:
            if call.deadline <= now:
                self.counts.add("expired")
                call.expire()
                continue
            try:
                target = e164(call.number, call.dial_plan)
            except UnknownDialPlanError as problem:
                self.refuse(call, Refused(Reason.NOT_RECONCILABLE, printable(call.number), message=str(problem)))
                continue
            call.e164 = target.number
            refusal = _unroutable(target.number, reconcilable=target.reconcilable)
            if refusal is not None:
                self.refuse(call, refusal)
                continue
            ready.append(call)
        return ready

    def _read(self, calls: Sequence[Call]) -> list[bytes | None]:
        nothing: list[bytes | None] = [None] * len(calls)
        if not calls or self._trust.current.redis is UNAVAILABLE:
            return nothing
        try:
            found = self._reader.entries([call.e164 for call in calls])
        except RedisUnavailableError as problem:
            self.counts.add("redis_failed")
            if self._trust.redis_failed():
                log.warning("circuit breaker opened: store=redis error=%s", problem)
            return nothing
        self._trust.redis_responded()
        return found

    def _absent(self, calls: Sequence[Call], values: list[bytes | None]) -> list[bytes | None]:
        """The same values, and for numbers that are known to have no document, that."""
        if self._trust.current.near is not FRESH:
            return values
        now = time.monotonic()
        absent = self.near.negative_ranges.is_absent
        return [
            _NEGATIVE if value is None and absent(call.e164, now) else value
            for call, value in zip(calls, values, strict=True)
        ]

    def _answer_from_near_cache(self, calls: Sequence[Call], clock: int) -> list[Call]:
        """Answer what the worker's own memory holds; return the rest."""
        freshness = self._trust.current.near
        if freshness is UNAVAILABLE:
            return list(calls)
        now = time.monotonic()
        rest = []
        for call in calls:
            entry = self.near.get(call.e164)
            if entry is None or entry.until < now or (entry.account and not self._accounts.held_enabled(entry.account)):
                rest.append(call)
                continue
            if call.raw is not None:
                self.near.alias(call.raw, entry, clock)
            if entry.answer is None:
                self.refuse(call, entry.refusal)
            else:
                self.counts.add("near_cache")
                call.route(entry.answer + STALE_FIELD if freshness is STALE else entry.answer)
        return rest

    def _hit_safely(self, call: Call, value: bytes, clock: int) -> object:
        """The same; a value that can't be read is a miss and must not take the others of its batch with it."""
        try:
            return self._hit(call, value, clock)
        except (ValueError, DecodeError) as problem:
            log.warning("what Redis holds for %s can't be read: %s", call.e164, problem)
            return False

    def _hit(self, call: Call, value: bytes, clock: int) -> object:
        """Answer from Redis, _ROUTED with a route; False when something must be asked that memory does not hold."""
        kind = value[VERSION : VERSION + 1]
        if kind == REFUSAL:
            refusal = refusal_of(value[HEADER:], call.e164)
            self._keep_near(call, NearEntry("", None, refusal), clock)
            self.refuse(call, refusal)
            return True
        if kind != ROUTE:
            ports = self._accounts.held_port_requests(call.e164)
            if ports is None:
                return False
            nothing = self._nothing(call, ports)
            if nothing is not None:
                self._keep_near(call, NearEntry("", None, nothing, time.monotonic() + _NEGATIVE_TTL), clock)
            return True
        account = account_of(value)
        enabled = self._accounts.held_enabled(account)
        if enabled:
            suffix = route_suffix(call.e164, value[:VERSION], pb.REDIS, stale=self._trust.current.redis is not FRESH)
            call.route(value[HEADER:] + suffix)
            if self.near.enabled:
                near_suffix = route_suffix(call.e164, value[:VERSION], pb.NEAR_CACHE, stale=False)
                self._keep_near(call, NearEntry(account, value[HEADER:] + near_suffix, None), clock)
            return _ROUTED
        if enabled is not None:
            self._refuse_account(call, account, value[HEADER:], self._accounts.held_refusal(account))
        return enabled is not None

    def _keep_near(self, call: Call, entry: NearEntry, clock: int) -> None:
        if self.near.enabled:
            self.near.put(call.e164, entry, clock, call.raw)

    def _nothing(self, call: Call, ports: Sequence[ActivePortRequest]) -> Refused | None:
        """No number document: exactly one active port request routes. Returns what was refused."""
        if len(ports) == 1 and self.rules.fetch_account_from_ports:
            self.counts.add("port_request")
            route = port_request_route(call.e164, ports[0].account_id)
            is_current = call.authoritative or self._trust.current.reference is FRESH
            call.route(port_request_response(route, stale=not is_current))
            return None
        refusal = Refused(Reason.NUMBER_NOT_FOUND, call.e164, message=f"there is no number document {call.e164}")
        self.refuse(call, refusal)
        return refusal

    def _refuse_account(self, call: Call, account: str, payload: bytes, status: AccountStatus) -> None:
        state = pb.LookupResponse.FromString(payload).state
        message = f"account {account} {_ACCOUNT_MESSAGES[status]}"
        self.refuse(call, Refused(Reason.ACCOUNT_DISABLED, call.e164, account, state, message))

    def refuse(self, call: Call, refusal: Refused) -> None:
        """Refuse a call, and count it."""
        self.counts.add(refusal.reason.value)
        call.refuse(refusal)


def _unroutable(number: str, *, reconcilable: bool) -> Refused | None:
    if is_too_long(number):
        size = len(number.encode("utf-8", "replace"))
        return Refused(
            Reason.NOT_RECONCILABLE,
            printable(number),
            message=f"a number of {size:,} bytes, and at most {MAX_NUMBER_BYTES} are read: send nothing but the number",
        )
    if not reconcilable:
        return Refused(
            Reason.NOT_RECONCILABLE,
            printable(number),
            message=f"'{printable(number)}' is not a routable number under the dial plan: "
            "send E.164, or name the dial plan it was dialled under",
        )
    if not (number.startswith("+") and number[1:].isdecimal()):
        return Refused(
            Reason.NUMBER_NOT_FOUND,
            printable(number),
            message=f"'{printable(number)}' did not come to E.164, and number documents are kept under E.164: "
            "name the dial plan it was dialled under",
        )
    return None
