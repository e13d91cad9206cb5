"""Requests as they come from the wire, and the messages that are put together by hand."""

import math
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

from router.numbers import documents
from router.numbers.documents import NumberDocument
from router.numbers.routes import Reason, Refused
from router.runtime.counters import LabelledCounters
from router.runtime.json_messages import json_fields
from router.server.api import framing, number_messages
from router.server.api.consistency import UnknownConsistencyError
from router.server.api.status import failure_of
from router.server.calls.batcher import UnaryCall
from router.server.failure import Failure
from router.server.observation.lookups import LookupObserver, Recorder
from router.v1 import inbound_pb2 as pb
from router.v1 import numbers_pb2
from tests.fuzz.source import Source
from tests.fuzz.target import Target

_REASONS = tuple(Reason)
_WORDS = ("a", "cnam", "display_name", "true", "+14158867900", "in_service", "pvt_features", "pvt_created", "e911")


def check(data: bytes) -> None:
    """The first byte chooses: a lookup's bytes, public fields' bytes, or words for messages that are put together."""
    source = Source(data)
    kind = source.byte() % 4
    if kind == 0:
        _lookup(source.rest())
    elif kind == 1:
        _public_fields(source.rest())
    elif kind == 2:
        _by_hand(source)
    else:
        _record(source)


class _CallSource:
    """Keeps what a call is told."""

    def __init__(self) -> None:
        self.reported: list[Any] = []

    def respond(self, _: object, answer: bytes) -> None:
        self.reported.append(answer)

    def fail(self, _: object, failure: Failure) -> None:
        self.reported.append(failure)


def _lookup(raw: bytes) -> None:
    front = _CallSource()
    waiting: set[UnaryCall] = set()
    try:
        observer = LookupObserver("grpc", LabelledCounters(), Recorder(slow_call=math.inf))
        call = UnaryCall(front, "ticket", raw, 1e9, waiting, observer)  # type: ignore[arg-type]
    except (DecodeError, UnknownConsistencyError):
        assert not waiting
        return
    result = pb.LookupRequest.FromString(raw)
    assert (call.number, call.dial_plan) == (result.number, result.dial_plan)
    call.refuse(Refused(Reason.NOT_RECONCILABLE, call.number, message=call.number))
    assert len(front.reported) == 1
    assert not waiting
    failure = front.reported[0]
    assert len(failure.message) < 1 << 20
    assert all(isinstance(value, bytes | str) for _, value in failure.trailing)


def _public_fields(raw: bytes) -> None:
    try:
        struct = Struct.FromString(raw)
    except DecodeError:
        return
    plain = json_fields(struct)
    assert plain.keys() == set(struct.fields)
    try:
        wanted = MessageToDict(struct)
    except ValueError:
        return  # infinite, or no value at all: JSON has neither
    assert plain == wanted


def _by_hand(source: Source) -> None:
    answer = pb.LookupResponse(account_id=source.word(), number=source.word(), state=source.text(200))
    refusal = pb.Refusal(number=source.word(), message=source.text(200))
    identifier = source.text(200)
    routed, refused = framing.routed(answer.SerializeToString()), framing.refused(refusal.SerializeToString())
    assert pb.LookupOutcome.FromString(routed) == pb.LookupOutcome(route=answer)
    assert pb.LookupOutcome.FromString(refused) == pb.LookupOutcome(refusal=refusal)
    batch = pb.LookupBatchResponse.FromString(framing.batch([routed, refused, routed]))
    assert [each.WhichOneof("outcome") for each in batch.outcomes] == ["route", "refusal", "route"]
    streamed = pb.LookupStreamResponse.FromString(framing.streamed(identifier, routed))
    assert (streamed.id, streamed.outcome.route) == (identifier, answer)
    failure_of(Refused(source.pick(_REASONS), source.word(), source.word(), source.text(), source.text(200)))


def _record(source: Source) -> None:
    doc = {"_id": "+14158867900", "_rev": "1-a"}
    while not source.is_empty:
        doc[source.name(_WORDS)] = source.json(_WORDS)
    read = documents.read(doc)
    if isinstance(read, NumberDocument):
        reported = number_messages.record(read)
        assert numbers_pb2.NumberRecord.FromString(reported.SerializeToString()) == reported
        assert reported.assigned_to == (read.assigned_to or "")


TARGET = Target(
    "requests",
    check,
    dictionary=(
        *_WORDS,
        pb.LookupRequest(number="+14158867900", dial_plan="uk", consistency=pb.AUTHORITATIVE).SerializeToString(),
        b"\x0a\x0c+14158867900",
        b"\x12\x02uk",
        b"\x18\x01",
        b"\xff\xff\xff\xff\x0f",
        b"\x0a\x08\x0a\x01a\x12\x03\x1a\x01b",
        b"\x11\x00\x00\x00\x00\x00\x00\xf8\x7f",
        b"\x2a\x02\x0a\x00",
        b"\x32\x02\x0a\x00",
    ),
)
