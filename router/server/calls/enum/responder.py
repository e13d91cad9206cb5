"""Answers ENUM queries: read, looked up, and answered once."""

import asyncio
import logging
import secrets
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple

from router.numbers.routes import Reason
from router.runtime.histograms import Histograms
from router.server.api.http.results import error_body
from router.server.api.sip_status import sip_status
from router.server.calls.contact import ContactTemplate, UnsafeValueError
from router.server.calls.enum.wire import (
    IN,
    NAPTR,
    SOA,
    NotAQueryError,
    Query,
    Rcode,
    Record,
    max_udp,
    naptr,
    parse,
    soa,
    write,
)
from router.server.calls.enum.zones import Number, Place, Zone, Zones
from router.server.calls.event_loop import EventLoopCallSource
from router.server.failure import Failure
from router.server.observation.observation import Drop
from router.v1 import inbound_pb2 as pb

log = logging.getLogger(__name__)

_NEGATIVE_TTL = 1
"""Seconds that a resolver may keep "there is none"."""
_UNKNOWN_NOW = frozenset((Reason.NUMBER_DATABASE_UNAVAILABLE.value, Reason.OVERLOADED.value, ""))
"""Reasons that say nothing about the number: SERVFAIL, so that a resolver asks its next server."""

_MAX_TCP = 65_535
_ID = 2
"""Bytes of a message's id, which a response repeats; nothing else of it differs when the same is asked again."""
_MAX_PREPARED_QUERY = 512
"""Bytes of a query whose response is prepared; queries with large options would fill a worker's memory."""
_MAX_PREPARED = 16384
"""Responses that are kept, of some 300 bytes: parsing and writing take ten times as long as finding one. A resolver
that varies the case of a name (0x20) finds none of them."""


@dataclass(frozen=True, slots=True)
class EnumAnswers:
    """Options for the conversion of results to records.

    Attributes:
        contact: template of the URI.
        refusal_uris: whether a refusal is a URI that names the SIP response, in place of no record.
        ttl: seconds that a resolver may keep a record.
    """

    contact: ContactTemplate
    refusal_uris: bool
    ttl: int


class Asker(NamedTuple):
    """The sender of a query.

    Attributes:
        address: of its host; to: what `send` sends a response to.
        allowed: whether the address may ask; REFUSED where not.
        admitted: whether it may ask now; where not, a truncated response has it ask over TCP, and is REFUSED there.
        wait_for: gets the future of a lookup that is not done yet; None for a datagram's.
    """

    address: str
    to: Any
    send: Callable[[bytes, Any], object]
    allowed: bool
    admitted: bool
    tcp: bool
    wait_for: "Callable[[asyncio.Future[Any]], None] | None" = None


@dataclass(frozen=True, slots=True)
class _Answer:
    rcode: Rcode
    records: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    explanation: str = ""


class _Prepared(NamedTuple):
    """A response that was sent, for the next query of the same bytes.

    Attributes:
        request: the lookup that it takes.
        answer: the lookup's result that it was made from; it is right for no other.
        response: without the query's id.
    """

    request: bytes
    answer: bytes
    response: bytes


class _Lookup(NamedTuple):
    """A query that waits for its lookup; without `query` and `zone` where its response is prepared."""

    data: bytes
    asker: Asker
    request: bytes
    began: float
    prepared: _Prepared | None
    query: Query | None = None
    zone: Zone = ()


class EnumResponder:
    """Answers queries of one event loop.

    Args:
        timeout: seconds for a lookup.
        durations: of queries, by response code.
        drop: counts messages that get no response.
    """

    def __init__(
        self,
        source: EventLoopCallSource,
        zones: Zones,
        answers: EnumAnswers,
        *,
        timeout: float,
        durations: Histograms,
        drop: Drop,
    ) -> None:
        self._source = source
        self._zones = zones
        self._answers = answers
        self._timeout = timeout
        self._durations = durations
        self._drop = drop
        self._key = secrets.token_bytes(16)
        self._prepared: dict[bytes, _Prepared] = {}
        self._contact_changes = 0

    def handle(self, messages: Sequence[tuple[bytes, Asker]]) -> None:
        """Answer messages; those that need a lookup are looked up together."""
        if self._answers.contact.changes != self._contact_changes:
            self._contact_changes = self._answers.contact.changes
            self._prepared.clear()
        began = time.perf_counter()
        lookups = [lookup for data, asker in messages if (lookup := self._begin(data, asker, began)) is not None]
        if not lookups:
            return
        results = self._source.submit_all([lookup.request for lookup in lookups], self._timeout)
        routed = 0
        for lookup, result in zip(lookups, results, strict=True):
            if (known := lookup.prepared) is not None and result == known.answer:
                lookup.asker.send(lookup.data[:_ID] + known.response, lookup.asker.to)
                routed += 1
            elif isinstance(result, asyncio.Future):
                result.add_done_callback(partial(self._finish_later, lookup))
                if lookup.asker.wait_for is not None:
                    lookup.asker.wait_for(result)
            else:
                self._finish(lookup, result)
        if routed:
            self._durations.observe((Rcode.NOERROR.name,), time.perf_counter() - began, routed)

    def _begin(self, data: bytes, asker: Asker, began: float) -> _Lookup | None:
        """Return the lookup that a message needs; answer one that needs none."""
        known = self._prepared.get(data[_ID:])
        if known is not None and asker.allowed and asker.admitted and not asker.tcp:
            return _Lookup(data, asker, known.request, began, known)
        try:
            query = parse(data)
            return self._judge(data, query, asker, began)
        except NotAQueryError:
            self._drop("ignored")
        except Exception:
            log.exception("answering a DNS query failed")
        return None

    def _judge(self, data: bytes, query: Query, asker: Asker, began: float) -> _Lookup | None:
        refusal = _refuse(query, allowed=asker.allowed)
        if refusal is not None:
            self._send(query, asker, _Answer(refusal), began)
            return None
        place, zone = self._zones.find(query.labels)
        if isinstance(place, Number) and asker.admitted and query.type == NAPTR:
            request = pb.LookupRequest(number=place.text).SerializeToString()
            return _Lookup(data, asker, request, began, None, query, zone)
        if place is Place.OUTSIDE:
            answer = _Answer(Rcode.REFUSED, explanation="this server answers for other zones")
            self._send(query, asker, answer, began)
        elif not asker.admitted and asker.tcp:
            self._send(query, asker, _Answer(Rcode.REFUSED, explanation="too many queries: ask another server"), began)
        elif not asker.admitted:
            self._send(query, asker, _Answer(Rcode.NOERROR, (soa(zone, _NEGATIVE_TTL),)), began)
        else:
            self._send(query, asker, _zone_answer(query, place, zone), began)
        return None

    def _finish_later(self, lookup: _Lookup, done: "asyncio.Future[bytes | Failure]") -> None:
        self._finish(lookup, done.result())

    def _finish(self, lookup: _Lookup, result: bytes | Failure) -> None:
        try:
            query, zone = lookup.query, lookup.zone
            if query is None:  # what was prepared for it is out of date
                query = parse(lookup.data)
                _, zone = self._zones.find(query.labels)
            answer = self._result(result, zone)
            message = self._send(query, lookup.asker, answer, lookup.began)
        except Exception:
            log.exception("answering a DNS query failed")
            return
        if isinstance(result, bytes) and answer.rcode is Rcode.NOERROR and not _has_cookie(query):
            self._prepare(lookup, result, message)

    def _prepare(self, lookup: _Lookup, answer: bytes, message: bytes) -> None:
        """Keep a response over UDP for the next query of the same bytes."""
        if lookup.asker.tcp or len(lookup.data) > _MAX_PREPARED_QUERY:
            return
        if len(self._prepared) >= _MAX_PREPARED:
            self._prepared.clear()
        self._prepared[lookup.data[_ID:]] = _Prepared(lookup.request, answer, message[_ID:])

    def _send(self, query: Query, asker: Asker, answer: _Answer, began: float) -> bytes:
        message = write(
            query,
            answer.rcode,
            answer.records,
            answer.authority,
            server_cookie=self._server_cookie(query, asker.address),
            explanation=answer.explanation,
            max_size=_MAX_TCP if asker.tcp else max_udp(query) if asker.admitted else 0,
        )
        asker.send(message, asker.to)
        self._durations.observe((answer.rcode.name,), time.perf_counter() - began)
        return message

    def _result(self, result: bytes | Failure, zone: Zone) -> _Answer:
        if isinstance(result, bytes):
            return self._route(pb.LookupResponse.FromString(result))
        reason = error_body(result, 0).reason
        if reason in _UNKNOWN_NOW:
            return _Answer(Rcode.SERVFAIL, explanation=reason or result.code.name)
        if self._answers.refusal_uris:
            uri = self._answers.contact.refusal_uri(sip_status(reason).code, reason)
            return _Answer(Rcode.NOERROR, (naptr(uri, self._answers.ttl),))
        return _Answer(Rcode.NOERROR, authority=(soa(zone, _NEGATIVE_TTL),), explanation=reason)

    def _route(self, route: pb.LookupResponse) -> _Answer:
        try:
            return _Answer(Rcode.NOERROR, (naptr(self._answers.contact.uri(route), self._answers.ttl),))
        except (UnsafeValueError, ValueError) as problem:
            return _Answer(Rcode.SERVFAIL, explanation=str(problem))

    def _server_cookie(self, query: Query, address: str) -> bytes:
        """Return a server cookie (RFC 9018's layout, another hash); no query is refused for want of one."""
        if query.edns is None or not _has_cookie(query):
            return b""
        head = struct.pack("!BBHI", 1, 0, 0, int(time.time()))
        proof = blake2b(query.edns.client_cookie + head + address.encode(), digest_size=8, key=self._key)
        return head + proof.digest()


def _has_cookie(query: Query) -> bool:
    """Return whether the response proves the time, so that it differs each time."""
    return query.edns is not None and bool(query.edns.client_cookie)


def _refuse(query: Query, *, allowed: bool) -> Rcode | None:
    if query.rcode is not Rcode.NOERROR:
        return query.rcode
    if query.edns is not None and query.edns.version:
        return Rcode.BADVERS
    return None if allowed and query.class_ == IN else Rcode.REFUSED


def _zone_answer(query: Query, place: Number | Place, zone: Zone) -> _Answer:
    record = soa(zone, _NEGATIVE_TTL)
    if place is Place.APEX and query.type == SOA:
        return _Answer(Rcode.NOERROR, (record,))
    return _Answer(Rcode.NOERROR, authority=(record,))
