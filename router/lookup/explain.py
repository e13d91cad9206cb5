"""Why a number routes where it does: every step and what each layer holds, read now."""

import time
from collections.abc import Callable
from typing import Any

import redis
from google.protobuf.message import DecodeError

from router.couch.errors import CouchError
from router.entries.codec import (
    NEGATIVE,
    REFUSAL,
    ROUTE,
    TOMBSTONE,
    Entry,
    refusal_of,
    revision_of,
    unpack,
)
from router.lookup.blocking_call import BlockingCall
from router.lookup.engine import LookupEngine
from router.lookup.origin_reader import OriginReader
from router.numbers import documents
from router.numbers.documents import Skipped
from router.numbers.fields import printable
from router.numbers.gregorian import to_unix
from router.numbers.kazoo_databases import ACCOUNTS, PORT_REQUESTS
from router.numbers.normaliser import NormalisationResult, UnknownDialPlanError
from router.redis_store import follower_status
from router.redis_store.cache_store import CacheStore
from router.redis_store.entry_reader import EntryReader
from router.reference_data.reference_data import ReferenceData
from router.trust.trust import FRESH
from router.v1 import inbound_pb2 as pb

_FAR = 3600.0


class Explainer:
    """Reads every layer for one number; nothing is written and no cache is warmed but by the answer itself."""

    def __init__(
        self,
        lookup: LookupEngine,
        reader: EntryReader,
        writer: CacheStore,
        followed: ReferenceData,
        authority: OriginReader,
        *,
        stale_after: float,
    ) -> None:
        self._lookup = lookup
        self._reader = reader
        self._writer = writer
        self._followed = followed
        self._authority = authority
        self._stale_after = stale_after

    def explain(self, request: pb.LookupRequest, deadline: float) -> pb.ExplainResponse:
        """Explain one lookup.

        Args:
            deadline: on the monotonic clock, for the answer that a caller would get.
        """
        made = pb.ExplainResponse(input=printable(request.number, 256))
        try:
            normalised = self._lookup.rules.normaliser.explain(request.number, request.dial_plan)
        except UnknownDialPlanError as problem:
            made.dial_plan, made.decision = printable(request.dial_plan), str(problem)
            made.answer.CopyFrom(self._answer(request, deadline))
            return made
        _tell_number(made, normalised)
        if normalised.reconcilable and normalised.database is not None:
            self._tell_layers(made, normalised.number, normalised.database)
        made.answer.CopyFrom(self._answer(request, deadline))
        made.decision = _decision(made.answer)
        return made

    def near_view(self, number: str) -> pb.LayerView:
        """Return what this worker's near cache holds for a number in E.164."""
        return self._near(number)

    def _tell_layers(self, made: pb.ExplainResponse, number: str, database: str) -> None:
        made.near_cache.CopyFrom(self._near(number))
        _view(made.redis, lambda: self._redis(number))
        assigned = _view(made.number_database, lambda: self._number_document(number, database))
        _view(made.port_requests, lambda: self._ports(number))
        self._tell_account(made, assigned or self._account_of_cache(number))
        self._tell_follower(made.follower, database)

    def _tell_account(self, made: pb.ExplainResponse, account: str) -> None:
        if account:
            _view(made.account, lambda: self._account(account))
            if made.account.error:
                made.account.detail = f"{account}: this worker holds it as {self._held_account(account)}"
        elif made.number_database.error:
            made.account.error = f"the number's account is not known: {made.number_database.error}"
        else:
            made.account.detail = "no account to look for"

    def _held_account(self, account: str) -> str:
        if account in self._followed.enabled:
            return "enabled"
        return "disabled" if account in self._followed.disabled else "unknown"

    def _near(self, number: str) -> pb.LayerView:
        near = self._lookup.near
        if not near.enabled:
            return pb.LayerView(detail="switched off")
        entry = near.get(number)
        trust = "" if self._lookup.trust.receives_invalidations else " (not trusted: its connection to Redis is down)"
        if entry is None:
            return pb.LayerView(detail=f"nothing kept by this worker{trust}")
        if entry.answer is None:
            refusal = entry.refusal
            return pb.LayerView(
                present=True,
                detail=f"refuses: {refusal.reason.value}{trust}",
                account_id=refusal.account_id,
                state=refusal.state,
            )
        kept = pb.LookupResponse.FromString(entry.answer)
        return pb.LayerView(
            present=True,
            revision=kept.revision,
            detail=f"routes to account {kept.account_id}{trust}",
            account_id=kept.account_id,
            state=kept.state,
        )

    def _redis(self, number: str) -> pb.LayerView:
        value = self._reader.entries([number])[0]
        if value is None:
            return pb.LayerView(detail="nothing kept")
        held = unpack(value)
        if held is None:
            raise ValueError("it was cut short, or is none of ours")
        return pb.LayerView(
            present=True,
            revision=held.revision,
            age_seconds=max(0.0, round(time.time() - held.written, 3)),
            detail=describe_entry(held, number),
            account_id=held.account_id,
            state=_state_of(held, number),
        )

    def _number_document(self, number: str, database: str) -> tuple[pb.LayerView, str]:
        document = self._authority.document(database, number)
        if document is None:
            return pb.LayerView(detail=f"no document {number} in {database}"), ""
        read = documents.read(document, expected_database=database)
        if isinstance(read, Skipped):
            return pb.LayerView(present=True, detail=f"not a number document: {read.reason}"), ""
        age = 0.0 if read.modified is None else max(0.0, round(time.time() - to_unix(read.modified), 3))
        facts = [
            f"state {read.state or 'none'}",
            f"assigned to {read.assigned_to or 'nobody'}",
            *read.problems,
        ]
        view = pb.LayerView(
            present=True,
            revision=read.revision,
            age_seconds=age,
            detail="; ".join(facts),
            account_id=read.assigned_to or "",
            state=read.state or "",
        )
        return view, read.assigned_to or ""

    def _ports(self, number: str) -> pb.LayerView:
        # As a lookup does: what is held in memory counts while Redis says that it is current.
        trust = self._lookup.trust
        if trust.reference is FRESH and PORT_REQUESTS in trust.complete:
            held = self._followed.port_requests.get(number, ())
        else:
            held = self._authority.port_requests(number, now=True)
        if not held:
            return pb.LayerView(detail="no active port request")
        named = ", ".join(f"{port.id} for account {port.account_id}" for port in held)
        verdict = "routes when there is no number document" if len(held) == 1 else "more than one: none routes"
        revision = revision_of(self._followed.version(PORT_REQUESTS, held[0].id) or bytes(20))
        return pb.LayerView(present=True, revision=revision, detail=f"{named}; {verdict}")

    def _account(self, account: str) -> pb.LayerView:
        document = self._authority.document(ACCOUNTS, account)
        if document is None:
            return pb.LayerView(detail=f"{account}: no account document")
        enabled = self._authority.account_enabled(account)
        held = "disabled" if account in self._followed.disabled else "enabled"
        status = {True: "enabled", False: "disabled", None: "not an account"}[enabled]
        is_known = ACCOUNTS in self._lookup.trust.complete
        note = "" if held == status or not is_known else f" (this worker still holds {held})"
        return pb.LayerView(present=True, revision=str(document.get("_rev", "")), detail=f"{account}: {status}{note}")

    def _tell_follower(self, view: pb.FollowerView, database: str) -> None:
        try:
            status = follower_status.read(self._writer.redis, self._writer.keys)
            kept = self._writer.checkpoints.get(database)
        except redis.RedisError as problem:
            view.error = str(problem)
            return
        if status is not None:
            view.alive = status.age < self._stale_after
            view.leader, view.lag_seconds = status.leader, status.lags.get(database, 0.0)
        view.checkpoint = kept.seq
        view.age_seconds = round(time.time() - kept.updated_at, 3) if kept.updated_at else 0.0

    def _held(self, number: str) -> Entry | None:
        value = self._reader.entries([number])[0]
        return None if value is None else unpack(value)

    def _account_of_cache(self, number: str) -> str:
        """The account that Redis names, else the near cache; empty where neither does."""
        try:
            held = self._held(number)
        except redis.RedisError:
            held = None
        if held is not None and held.account_id:
            return held.account_id
        near = self._lookup.near.get(number)
        return "" if near is None else near.account

    def _answer(self, request: pb.LookupRequest, deadline: float) -> pb.LookupOutcome:
        call = BlockingCall(
            request.number,
            request.dial_plan,
            min(deadline, time.monotonic() + _FAR),
            authoritative=request.consistency == pb.AUTHORITATIVE,
        )
        self._lookup.answer([call])
        return call.wait()


def _tell_number(made: pb.ExplainResponse, normalised: NormalisationResult) -> None:
    made.dial_plan, made.rule = normalised.dial_plan, normalised.rule
    made.number = printable(normalised.number, 256)
    made.reconcilable = normalised.reconcilable
    made.classification = normalised.classification or ""
    made.database = normalised.database or ""


def _view(into: pb.LayerView, read: Callable[[], Any]) -> str:
    """Read a layer into its view; a layer that can't be asked says why. Returns what else it found."""
    try:
        content = read()
    except (CouchError, redis.RedisError) as problem:
        into.error = str(problem)
        return ""
    except (ValueError, DecodeError) as problem:
        into.error = f"what it holds can't be read: {problem}"
        return ""
    view, found = content if isinstance(content, tuple) else (content, "")
    into.CopyFrom(view)
    return str(found)


def describe_entry(held: Entry, number: str) -> str:
    """What an entry says, in words."""
    if held.kind == ROUTE:
        kept = pb.LookupResponse.FromString(held.payload)
        return f"routes to account {kept.account_id}, state {kept.state}"
    if held.kind == REFUSAL:
        refusal = refusal_of(held.payload, number)
        return f"refuses: {refusal.reason.value}, {refusal.message}"
    return {TOMBSTONE: "the document was deleted", NEGATIVE: "no such number, kept for a short time"}[held.kind]


def _state_of(held: Entry, number: str) -> str:
    if held.kind == ROUTE:
        return pb.LookupResponse.FromString(held.payload).state
    return refusal_of(held.payload, number).state if held.kind == REFUSAL else ""


def _decision(answer: pb.LookupOutcome) -> str:
    if answer.WhichOneof("outcome") == "route":
        source = pb.Source.Name(answer.route.source).replace("_", " ").lower()
        return f"routes to account {answer.route.account_id}, as {source} says"
    return f"{pb.Reason.Name(answer.refusal.reason)}: {answer.refusal.message}"
