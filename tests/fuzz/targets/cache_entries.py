"""Values of a number's key in Redis: our entries come back whole, a cut one is a miss."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, cast
from unittest.mock import Mock

from google.protobuf.message import DecodeError

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
from router.lookup.sources.redis import RedisSource
from router.near_cache.cache import NearCache
from router.numbers import rules
from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.routes import Reason, Refused, Route
from router.redis_store import follower_status
from router.redis_store.entry_reader import EntryReader
from router.redis_store.keys import Keys
from router.reference_data.reference_data import ReferenceData
from router.trust.monitor import TrustMonitor
from router.trust.trust import Trust
from router.v1 import inbound_pb2 as pb
from tests.fuzz.source import Source
from tests.fuzz.target import Target

NOW = 1_800_000_000
NUMBER = "+14158867900"
KEYS = Keys("did-router:")
WAYS = ("e164", "sip")
REASONS = [each for each in Reason if each is not Reason.NOT_RECONCILABLE]


def check(data: bytes) -> None:
    """The first byte chooses: an entry of ours, any bytes under a number's key (framed or not), keys, the status."""
    source = Source(data)
    kind = source.byte() % 5
    if kind == 0:
        _ours(source)
    elif kind == 1:
        _anybodys(source.rest())
    elif kind == 2:
        _anybodys(Entry(bytes(19) + b"\1", source.pick((b"R", b"X", b"T", b"N")), NOW, source.rest()).pack())
    elif kind == 3:
        _keys(source.rest())
    else:
        _status(source.rest())


def _ours(source: Source) -> None:
    made = _entry(source)
    value = made.pack()
    assert codec.unpack(value) == made
    assert codec.is_valid_entry(value)
    for cut in {len(value) - 1, source.number(len(value) - 1), source.number(len(value) - 1)}:
        assert not codec.is_valid_entry(value[:cut]), "cut short, it is none"
        assert codec.unpack(value[:cut]) is None
        assert isinstance(_result(value[:cut]), Missed)
    for more in (b"\0", value, source.octets(20) or b"x"):
        assert not codec.is_valid_entry(value + more), "nor with something behind it"
    result = _result(value)
    if made.kind == codec.ROUTE:
        assert isinstance(result, pb.LookupResponse)
        assert (result.account_id, result.number, result.revision) == (made.account_id, NUMBER, made.revision)
    elif made.kind == codec.REFUSAL:
        assert isinstance(result, Refused)
        assert result == codec.refusal_of(made.payload, NUMBER)
    else:
        assert isinstance(result, Refused)
        assert result.reason is Reason.NUMBER_NOT_FOUND


def _entry(source: Source) -> Entry:
    revision = f"{1 + source.number(2**32 - 2)}-{source.octets(16).ljust(16, b'a').hex()}"
    kind = source.byte() % 4
    if kind == 0:
        return codec.negative_entry(NOW)
    if kind == 1:
        return codec.tombstone_entry(revision, NOW)
    account = source.word(32)
    if kind == 2:
        refused = Refused(source.pick(REASONS), NUMBER, account, source.word(), source.text(200))
        made = codec.decision_entry(refused, revision, NOW)
        assert codec.refusal_of(made.payload, NUMBER) == refused
        assert made.account_id == account
        return made
    route = Route(
        NUMBER,
        account or "a",
        source.word(),
        revision,
        pending_port=source.flag(),
        local=source.flag(),
        force_outbound=source.flag(),
        inbound_cnam=source.flag(),
        prepend=source.text(200),
        ringback_media=source.word(),
        carrier=source.word(),
        failover=(source.pick(WAYS), source.word()) if source.flag() else None,
        features=tuple(source.word() for _ in range(source.byte() % 40)),
        ported_in=source.flag(),
        used_by=source.word(),
    )
    made = codec.decision_entry(route, revision, NOW)
    assert made.account_id == route.account_id
    answer = pb.LookupResponse.FromString(made.payload)
    for name in ("account_id", "state", "pending_port", "local", "force_outbound", "inbound_cnam", "prepend"):
        assert getattr(answer, name) == getattr(route, name), name
    assert (tuple(answer.features), answer.carrier) == (route.features, route.carrier)
    return made


def _anybodys(value: bytes) -> None:
    """Check any value: a call is answered once, and a route names the account that was looked at."""
    kept = codec.unpack(value)
    assert codec.is_valid_entry(value) == (kept is not None)
    if kept is not None:
        assert kept.pack() == value
    account = codec.account_of(value)
    try:
        result = _result(value)
    except DecodeError:
        assert kept is not None, "only what looks like an entry is believed"
        return
    if kept is None:
        assert isinstance(result, Missed)
    if isinstance(result, pb.LookupResponse):
        assert account
        assert kept is not None
        with suppress(DecodeError):
            alone = pb.LookupResponse.FromString(kept.payload)
            assert (result.number, result.account_id) == (NUMBER, alone.account_id)


class Missed:
    """The database has to be asked."""


class _Asking(Call):
    """A call that keeps what it is told."""

    __slots__ = ("result",)

    def __init__(self) -> None:
        super().__init__(NUMBER, "", time.monotonic() + 3600, authoritative=False)
        self.result: list[Any] = []

    def route(self, answer: bytes) -> None:
        self.result.append(answer)

    def refuse(self, refusal: Refused) -> None:
        self.result.append(refusal)


class _Kept:
    """Redis, holding one value."""

    value: bytes = b""

    def entries(self, numbers: Sequence[str]) -> list[bytes | None]:
        return [self.value for _ in numbers]


class _Database:
    """The end of the chain: every call is a miss."""

    LAYER: ClassVar = ""

    def resolve(self, batch: Batch, _: Trust) -> Batch:
        assert all(batch.corrupt)
        for call in (*batch.for_origin, *batch.calls):
            assert isinstance(call, _Asking)
            call.result.append(Missed())
        return batch

    def describe(self, number: str, _: Trust) -> pb.LayerView:
        raise NotImplementedError(number)


def _lookup() -> LookupEngine:
    trust = TrustMonitor()
    trust.set_complete(frozenset(REFERENCE_DATABASES))
    accounts = AccountStatusReader(
        ReferenceData(Mock(), KEYS, trust), cast("OriginReader", None), trust, refuse_unknown=False
    )
    active_rules = ActiveRules(rules.build(None))
    responder = Responder(accounts, active_rules, trust)
    negatives = NegativeAnswers(accounts, responder, None)
    redis = RedisSource(cast("EntryReader", _KEPT), trust, accounts, responder, negatives, None)
    near = NearCacheSource(NearCache(0, 0, trust), accounts, responder)
    return LookupEngine([redis, _Database()], responder, active_rules, trust, near)


_KEPT = _Kept()
_LOOKUP = _lookup()


def _result(value: bytes) -> object:
    """Return what a lookup makes of this value: an answer, a refusal, or a miss."""
    _KEPT.value = value
    call = _Asking()
    _LOOKUP.answer([call])
    (result,) = call.result
    return pb.LookupResponse.FromString(result) if isinstance(result, bytes) else result


def _keys(raw: bytes) -> None:
    """A key leads to the number that leads to it, or to none."""
    name = raw.decode("utf-8", "replace")
    for key in (name, KEYS.prefix + name, KEYS.number(name)):
        number = KEYS.number_of(key)
        assert number is None or KEYS.number(number) == key


def _status(raw: bytes) -> None:
    """Check a follower's status: it is readable as a whole, or counts as absent."""

    class Redis:
        def evalsha(self, *_: object) -> list[bytes]:
            return [b"1", b"0", raw]  # as read_status.lua splits it

    result = follower_status.read(cast("Any", Redis()), KEYS)
    if result is not None:
        assert result.age >= 0
        assert not math.isnan(
            result.age + result.lag + result.behind + result.databases + result.complete + result.copies_pending
        )
        assert all(isinstance(name, str) and lag + 0.0 == lag for name, lag in result.lags.items())


TARGET = Target(
    "cache_entries",
    check,
    dictionary=(
        b"\0",
        b"\x01",
        b"\x02",
        b"\x03",
        b"\x04",
        b"R",
        b"X",
        b"T",
        b"N",
        b"\x0a\x20" + b"1" * 32,
        b"\x12\x0c" + NUMBER.encode(),
        b"\0\0\0\x01" + b"a" * 16,
        "did-router:{+1415}8867900",
        "{+1415}",
        (
            '{"leader":"a","at":1,"phase":"following","databases":1,"complete":1,"behind":0,"lag":0,"applied":0,"feeds":0,'
            '"database_up":true,"lags":{}}'
        ),
        '"lags":{"a":1}',
    ),
)
