"""Answers SIP requests: parsed, judged, looked up, and answered once."""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

import grpc

from router.numbers.routes import Reason
from router.runtime.histograms import Histograms
from router.runtime.short_cache import cached_if_short
from router.server.api.http.results import error_body
from router.server.calls.event_loop import EventLoopCallSource
from router.server.calls.sip.message import NotSipError, SipRequest, parse
from router.server.calls.sip.redirect import Redirects, refused
from router.server.calls.sip.response import SipResponse, write
from router.server.calls.sip.rules import Verdict, judge
from router.server.calls.sip.via import Via, parse_via
from router.server.failure import Failure
from router.server.observation.observation import Drop
from router.v1 import inbound_pb2 as pb

log = logging.getLogger(__name__)

Address = tuple[str, int]


class Message(NamedTuple):
    """A message.

    Attributes:
        source: where it came from.
        reply: sends a response; over TCP the address that it gets says nothing.
        admitted: whether the source may ask now; 503 where not.
        wait_for: gets the future of a lookup that is not done yet; None for a datagram's.
    """

    data: bytes
    source: Address
    reply: "Callable[[Message, bytes, Address], None]"
    admitted: bool = True
    wait_for: "Callable[[asyncio.Future[Any]], None] | None" = None


class _Lookup(NamedTuple):
    """An INVITE that waits for its lookup."""

    message: Message
    request: SipRequest
    via: Via
    uri: str
    lookup: bytes


_CACHED = 16384
"""Redirections that are kept by the lookup's result, and requests by the URI: calls for one number need the same."""
_NOT_UTF8: Final = SipResponse(400, "Bad Request: the Request-URI is not UTF-8")
_RETRY_AFTER = 1
"""Seconds of Retry-After under overload."""
_BEYOND_RATE: Final = refused(Reason.OVERLOADED.value, retry_after=_RETRY_AFTER)
"""To an address beyond its rate: over TCP nothing is sent again, so that silence would end a call after 32 seconds."""


class SipResponder:
    """Answers requests of one event loop.

    Args:
        source: answers lookups.
        redirects: makes the responses to INVITEs.
        is_ready: whether numbers can be looked up.
        timeout: seconds for a lookup.
        durations: of requests, by status code.
        drop: counts messages that get no response.
    """

    def __init__(
        self,
        source: EventLoopCallSource,
        redirects: Redirects,
        is_ready: Callable[[], bool],
        *,
        timeout: float,
        durations: Histograms,
        drop: Drop,
    ) -> None:
        self._source = source
        self._contact = redirects.contact
        self._contact_changes = 0
        self._redirection = lru_cache(_CACHED)(redirects.redirection)
        self._is_ready = is_ready
        self._timeout = timeout
        self._durations = durations
        self._drop = drop
        self._key = secrets.token_bytes(16)
        self._sent: list[int] = []

    def handle(self, messages: Sequence[Message]) -> None:
        """Answer messages; the numbers of INVITEs are looked up together."""
        began = time.perf_counter()
        lookups = [lookup for message in messages if (lookup := self._begin(message)) is not None]
        if lookups:
            self._look_up(lookups, began)
        self._observe(began)

    def _look_up(self, lookups: Sequence[_Lookup], began: float) -> None:
        if self._contact.changes != self._contact_changes:
            self._contact_changes = self._contact.changes
            self._redirection.cache_clear()
        results = self._source.submit_all([each.lookup for each in lookups], self._timeout)
        for lookup, result in zip(lookups, results, strict=True):
            if isinstance(result, asyncio.Future):
                result.add_done_callback(partial(self._finish_later, lookup, began))
                if lookup.message.wait_for is not None:
                    lookup.message.wait_for(result)
            else:
                self._finish(lookup, result)

    def _observe(self, began: float) -> None:
        """Observe the responses that were sent, once for a batch of them."""
        sent, self._sent = self._sent, []
        duration = time.perf_counter() - began
        for code, count in Counter(sent).items():
            self._durations.observe((str(code),), duration, count)

    def _begin(self, message: Message) -> _Lookup | None:
        """Return the lookup that a message needs; answer one that needs none."""
        try:
            request = parse(message.data)
            via = parse_via(request.vias[0])
            if via is None:
                self._drop("ignored")
                return None
            verdict = judge(request, ready=request.method != b"OPTIONS" or self._is_ready())
            if not message.admitted and verdict is not Verdict.IGNORE:
                verdict = _BEYOND_RATE
            if verdict is Verdict.LOOK_UP:
                asked = _asked(request.uri)
                if asked is not None:
                    return _Lookup(message, request, via, *asked)
                verdict = _NOT_UTF8
            if isinstance(verdict, SipResponse):
                self._send(verdict, message, request, via)
        except NotSipError:
            self._drop("ignored")
        except Exception:
            log.exception("answering a SIP message failed")
        return None

    def _finish_later(self, lookup: _Lookup, began: float, done: "asyncio.Future[bytes | Failure]") -> None:
        self._finish(lookup, done.result())
        self._observe(began)

    def _finish(self, lookup: _Lookup, result: bytes | Failure) -> None:
        try:
            response = self._response(result, lookup.uri)
            self._send(response, lookup.message, lookup.request, lookup.via)
        except Exception:
            log.exception("answering a SIP message failed")

    def _response(self, result: bytes | Failure, uri: str) -> SipResponse:
        if isinstance(result, bytes):
            return self._redirection(result).unless_to(uri)
        reason = error_body(result, 0).reason or result.code.name
        overloaded = result.code is grpc.StatusCode.RESOURCE_EXHAUSTED and reason == Reason.OVERLOADED.value
        return refused(reason, retry_after=_RETRY_AFTER if overloaded else None)

    def _send(self, response: SipResponse, message: Message, request: SipRequest, via: Via) -> None:
        self._sent.append(response.code)
        source = message.source
        message.reply(message, write(response, request, via, source, self._key), via.reply_address(source))


@cached_if_short(_CACHED)
def _asked(uri: bytes) -> tuple[str, bytes] | None:
    """Return a Request-URI as text, and the serialised LookupRequest for it; None where it is not UTF-8."""
    try:
        text = uri.decode()
    except UnicodeDecodeError:
        return None
    return text, pb.LookupRequest(number=text).SerializeToString()
