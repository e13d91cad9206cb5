"""Explain: why a number routes where it does, by what each answer source holds now."""

import time
from collections.abc import Callable
from functools import partial

import redis
from google.protobuf.message import DecodeError

from router.couch.errors import CouchError
from router.entries.codec import revision_of
from router.lookup.active_rules import ActiveRules
from router.lookup.blocking_call import BlockingCall
from router.lookup.engine import LookupEngine
from router.lookup.origin_reader import OriginReader
from router.numbers.fields import printable
from router.numbers.kazoo_databases import ACCOUNTS, PORT_REQUESTS
from router.numbers.normaliser import NormalisationResult, UnknownDialPlanError
from router.redis_store import follower_status
from router.redis_store.cache_store import CacheStore
from router.reference_data.reference_data import ReferenceData
from router.trust.monitor import TrustMonitor
from router.trust.trust import FRESH
from router.v1 import inbound_pb2 as pb

_MAX_WAIT = 3600.0
"""Seconds."""


class Explainer:
    """Walks the chain of a lookup for one number, and records what each source holds.

    It writes nothing; only the answer itself may fill a cache, as any lookup.
    """

    def __init__(
        self,
        lookup: LookupEngine,
        rules: ActiveRules,
        trust: TrustMonitor,
        store: CacheStore,
        reference_data: ReferenceData,
        origin: OriginReader,
        *,
        stale_after: float,
    ) -> None:
        self._lookup = lookup
        self._rules = rules
        self._trust = trust
        self._store = store
        self._reference_data = reference_data
        self._origin = origin
        self._stale_after = stale_after

    def explain(self, request: pb.LookupRequest, deadline: float) -> pb.ExplainResponse:
        """Explain one lookup.

        Args:
            deadline: on the monotonic clock, for the answer that a caller would get.
        """
        made = pb.ExplainResponse(input=printable(request.number, 256))
        try:
            normalised = self._rules.current.normaliser.explain(request.number, request.dial_plan)
        except UnknownDialPlanError as problem:
            made.dial_plan, made.decision = printable(request.dial_plan), str(problem)
            made.answer.CopyFrom(self._answer(request, deadline))
            return made
        _describe_number(made, normalised)
        if normalised.reconcilable and normalised.database is not None:
            self._describe_layers(made, normalised.number, normalised.database)
        made.answer.CopyFrom(self._answer(request, deadline))
        made.decision = _decision(made.answer)
        return made

    def near_view(self, number: str) -> pb.LayerView:
        """Return what this worker's near cache holds for a number in E.164."""
        made = pb.ExplainResponse()
        self._describe_sources(made, number, only="near_cache")
        return made.near_cache

    def _describe_layers(self, made: pb.ExplainResponse, number: str, database: str) -> None:
        self._describe_sources(made, number)
        _read_into(made.port_requests, lambda: self._port_requests(number))
        # The document's account decides; a cache may still hold the former one.
        views = (made.number_database, made.redis, made.near_cache)
        self._describe_account(made, next((view.account_id for view in views if view.account_id), ""))
        self._describe_follower(made.follower, database)

    def _describe_sources(self, made: pb.ExplainResponse, number: str, only: str = "") -> None:
        """Record what each source of the chain holds."""
        made.near_cache.detail = "switched off"  # unless the chain has one
        for source in dict.fromkeys(self._lookup.sources):
            if source.LAYER and only in ("", source.LAYER):
                _read_into(getattr(made, source.LAYER), partial(source.describe, number, self._trust.current))

    def _describe_account(self, made: pb.ExplainResponse, account: str) -> None:
        if account:
            _read_into(made.account, lambda: self._account(account))
            if made.account.error:
                made.account.detail = f"{account}: this worker holds it as {self._held_account(account)}"
        elif made.number_database.error:
            made.account.error = f"the number's account is not known: {made.number_database.error}"
        else:
            made.account.detail = "no account to look for"

    def _held_account(self, account: str) -> str:
        if account in self._reference_data.enabled:
            return "enabled"
        return "disabled" if account in self._reference_data.disabled else "unknown"

    def _port_requests(self, number: str) -> pb.LayerView:
        # As in a lookup: what is held in memory counts while it is current and complete.
        trust = self._trust.current
        if trust.reference is FRESH and PORT_REQUESTS in trust.complete:
            held = self._reference_data.port_requests.get(number, ())
        else:
            held = self._origin.port_requests(number, now=True)
        if not held:
            return pb.LayerView(detail="no active port request")
        named = ", ".join(f"{port.id} for account {port.account_id}" for port in held)
        verdict = "routes when there is no number document" if len(held) == 1 else "more than one: none routes"
        revision = revision_of(self._reference_data.version(PORT_REQUESTS, held[0].id) or bytes(20))
        return pb.LayerView(present=True, revision=revision, detail=f"{named}; {verdict}")

    def _account(self, account: str) -> pb.LayerView:
        document = self._origin.document(ACCOUNTS, account)
        if document is None:
            missing = "the database accounts does not exist" if self._origin.lacks(ACCOUNTS) else "no account document"
            return pb.LayerView(detail=f"{account}: {missing}")
        enabled = self._origin.account_enabled(account)
        held = "disabled" if account in self._reference_data.disabled else "enabled"
        status = {True: "enabled", False: "disabled", None: "not an account"}[enabled]
        is_known = ACCOUNTS in self._trust.current.complete
        note = "" if held == status or not is_known else f" (this worker still holds {held})"
        return pb.LayerView(present=True, revision=str(document.get("_rev", "")), detail=f"{account}: {status}{note}")

    def _describe_follower(self, view: pb.FollowerView, database: str) -> None:
        try:
            status = follower_status.read(self._store.redis, self._store.keys)
            checkpoint = self._store.checkpoints.get(database)
        except redis.RedisError as problem:
            view.error = str(problem)
            return
        if status is not None:
            view.alive = status.age < self._stale_after
            view.leader, view.lag_seconds = status.leader, status.lags.get(database, 0.0)
        view.checkpoint = checkpoint.seq
        view.age_seconds = round(time.time() - checkpoint.updated_at, 3) if checkpoint.updated_at else 0.0

    def _answer(self, request: pb.LookupRequest, deadline: float) -> pb.LookupOutcome:
        call = BlockingCall(
            request.number,
            request.dial_plan,
            min(deadline, time.monotonic() + _MAX_WAIT),
            authoritative=request.consistency == pb.AUTHORITATIVE,
        )
        self._lookup.answer([call])
        return call.wait()


def _describe_number(made: pb.ExplainResponse, normalised: NormalisationResult) -> None:
    made.dial_plan, made.rule = normalised.dial_plan, normalised.rule
    made.number = printable(normalised.number, 256)
    made.reconcilable = normalised.reconcilable
    made.classification = normalised.classification or ""
    made.database = normalised.database or ""


def _read_into(view: pb.LayerView, read: Callable[[], pb.LayerView]) -> None:
    """Read a layer into its view; a layer that can't be read states the reason."""
    try:
        view.CopyFrom(read())
    except (CouchError, redis.RedisError) as problem:
        view.error = str(problem)
    except (ValueError, DecodeError) as problem:
        view.error = f"what it holds can't be read: {problem}"


def _decision(answer: pb.LookupOutcome) -> str:
    if answer.WhichOneof("outcome") == "route":
        source = pb.Source.Name(answer.route.source).replace("_", " ").lower()
        return f"routes to account {answer.route.account_id}, as {source} says"
    return f"{pb.Reason.Name(answer.refusal.reason)}: {answer.refusal.message}"
