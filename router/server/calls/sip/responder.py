"""Answers SIP requests: parsed, judged, looked up, and answered once."""

import asyncio
import logging
import secrets
from collections.abc import Callable

import grpc

from router.numbers.routes import Reason
from router.runtime.counters import Counters
from router.server.api.http.results import error_body
from router.server.calls.event_loop import EventLoopCallSource
from router.server.calls.sip.message import NotSipError, SipRequest, parse
from router.server.calls.sip.redirect import Redirects, refused
from router.server.calls.sip.response import SipResponse, write
from router.server.calls.sip.rules import Verdict, judge
from router.server.calls.sip.via import Via, parse_via
from router.server.failure import Failure
from router.v1 import inbound_pb2 as pb

log = logging.getLogger(__name__)

Address = tuple[str, int]
Reply = Callable[[bytes, Address], None]
"""Sends a response to an address; over TCP the address says nothing."""
_MAX_NUMBER = 256
_RETRY_AFTER = 1
"""Seconds of Retry-After under overload."""


class SipResponder:
    """Answers requests of one event loop.

    Args:
        source: answers lookups.
        redirects: makes the responses to INVITEs.
        is_ready: whether numbers can be looked up.
        timeout: seconds for a lookup.
        counts: of responses by status code, and of messages that got none.
    """

    def __init__(
        self,
        source: EventLoopCallSource,
        redirects: Redirects,
        is_ready: Callable[[], bool],
        *,
        timeout: float,
        counts: Counters,
    ) -> None:
        self._source = source
        self._redirects = redirects
        self._is_ready = is_ready
        self._timeout = timeout
        self._counts = counts
        self._key = secrets.token_bytes(16)

    def handle(self, data: bytes, source: Address, reply: Reply) -> SipRequest | None:
        """Answer a message; return the request that it was, None for something that is never answered."""
        try:
            request = parse(data)
            via = parse_via(request.vias[0])
        except NotSipError:
            via = None
        if via is None:
            self._counts.add("ignored")
            return None
        verdict = judge(request, ready=self._is_ready())
        if verdict is Verdict.LOOK_UP:
            self._look_up(request, via, source, reply)
        elif isinstance(verdict, SipResponse):
            self._send(verdict, request, via, source, reply)
        return request

    def _look_up(self, request: SipRequest, via: Via, source: Address, reply: Reply) -> None:
        try:
            uri = request.uri.decode()
        except UnicodeDecodeError:
            self._send(SipResponse(400, "Bad Request: the Request-URI is not UTF-8"), request, via, source, reply)
            return
        lookup = pb.LookupRequest(number=_number_of(uri)).SerializeToString()
        result = self._source.submit(lookup, self._timeout)
        if isinstance(result, asyncio.Future):
            result.add_done_callback(
                lambda done: self._send(self._response(done.result(), uri), request, via, source, reply)
            )
        else:
            self._send(self._response(result, uri), request, via, source, reply)

    def _response(self, result: bytes | Failure, uri: str) -> SipResponse:
        if isinstance(result, bytes):
            return self._redirects.moved(pb.LookupResponse.FromString(result), uri)
        reason = error_body(result, 0).reason or result.code.name
        overloaded = result.code is grpc.StatusCode.RESOURCE_EXHAUSTED and reason == Reason.OVERLOADED.value
        return refused(reason, retry_after=_RETRY_AFTER if overloaded else None)

    def _send(self, response: SipResponse, request: SipRequest, via: Via, source: Address, reply: Reply) -> None:
        self._counts.add(str(response.code))
        reply(write(response, request, via, source, self._key), via.reply_address(source))


def _number_of(uri: str) -> str:
    """Return what is looked up: the URI, or its user part where it is longer than a request's number may be."""
    if len(uri.encode()) <= _MAX_NUMBER:
        return uri
    return uri.partition(":")[2].partition("@")[0].partition(";")[0][:_MAX_NUMBER]
