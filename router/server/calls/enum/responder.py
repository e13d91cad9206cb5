"""Answers ENUM queries: read, looked up, and answered once."""

import asyncio
import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from router.numbers.routes import Reason
from router.runtime.counters import Counters
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
from router.v1 import inbound_pb2 as pb

_NEGATIVE_TTL = 1
"""Seconds that a resolver may keep "there is none"."""
_UNKNOWN_NOW = frozenset((Reason.NUMBER_DATABASE_UNAVAILABLE.value, Reason.OVERLOADED.value, ""))
"""Reasons that say nothing about the number: SERVFAIL, so that a resolver asks its next server."""

_MAX_TCP = 65_535


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


@dataclass(frozen=True, slots=True)
class Asker:
    """The sender of a query.

    Attributes:
        allowed: whether the address may ask; REFUSED where not.
        admitted: whether it may ask now; where not, a truncated response has it ask again over TCP.
    """

    address: str
    reply: Callable[[bytes], None]
    allowed: bool
    admitted: bool
    tcp: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    rcode: Rcode
    records: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    explanation: str = ""


class EnumResponder:
    """Answers queries of one event loop.

    Args:
        timeout: seconds for a lookup.
        counts: of responses by response code.
    """

    def __init__(
        self, source: EventLoopCallSource, zones: Zones, answers: EnumAnswers, *, timeout: float, counts: Counters
    ) -> None:
        self._source = source
        self._zones = zones
        self._answers = answers
        self._timeout = timeout
        self._counts = counts
        self._key = secrets.token_bytes(16)

    def handle(self, data: bytes, asker: Asker) -> None:
        """Answer a message."""
        try:
            query = parse(data)
        except NotAQueryError:
            self._counts.add("ignored")
            return
        self._answer(query, asker, lambda answer: self._send(query, asker, answer))

    def _send(self, query: Query, asker: Asker, answer: _Answer) -> None:
        self._counts.add(answer.rcode.name)
        message = write(
            query,
            answer.rcode,
            answer.records,
            answer.authority,
            server_cookie=self._server_cookie(query, asker.address),
            explanation=answer.explanation,
            max_size=_MAX_TCP if asker.tcp else max_udp(query) if asker.admitted else 0,
        )
        asker.reply(message)

    def _answer(self, query: Query, asker: Asker, send: Callable[[_Answer], None]) -> None:
        refusal = _refuse(query, allowed=asker.allowed)
        if refusal is not None:
            send(_Answer(refusal))
            return
        place, zone = self._zones.find(query.labels)
        if place is Place.OUTSIDE:
            send(_Answer(Rcode.REFUSED, explanation="this server answers for other zones"))
        elif not asker.admitted:
            send(_Answer(Rcode.NOERROR, (soa(zone, _NEGATIVE_TTL),)))
        elif isinstance(place, Number) and query.type == NAPTR:
            self._look_up(place.text, zone, send)
        else:
            send(_zone_answer(query, place, zone))

    def _look_up(self, number: str, zone: Zone, send: Callable[[_Answer], None]) -> None:
        request = pb.LookupRequest(number=number).SerializeToString()
        result = self._source.submit(request, self._timeout)
        if isinstance(result, asyncio.Future):
            result.add_done_callback(lambda done: send(self._result(done.result(), zone)))
        else:
            send(self._result(result, zone))

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
        if query.edns is None or not query.edns.client_cookie:
            return b""
        head = struct.pack("!BBHI", 1, 0, 0, int(time.time()))
        proof = blake2b(query.edns.client_cookie + head + address.encode(), digest_size=8, key=self._key)
        return head + proof.digest()


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
