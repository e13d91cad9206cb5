"""SIP redirect as a transport: its sockets, an event loop in a thread, and a batch loop of its own."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Protocol

import uvloop

from router.lookup.engine import LookupEngine
from router.runtime.counters import Counters
from router.server.calls.batcher import Batcher
from router.server.calls.call_source import AddressInUseError, address_in_use_message
from router.server.calls.event_loop import EventLoopCallSource
from router.server.calls.sip.redirect import Redirects
from router.server.calls.sip.responder import SipResponder
from router.server.calls.sip.server import SipConnection, SipDatagrams, open_sockets
from router.server.calls.source_address import SourceFilter, networks
from router.settings import Settings, SettingsError

log = logging.getLogger(__name__)

_LAST_MESSAGES = 0.05
"""Seconds between the end of reading and the end of the loop, for responses on their way."""


class SwitchTransport(Protocol):
    """Answers switches from `start` until `stop`."""

    @property
    def port(self) -> int:
        """The port that was bound; 0 for none."""
        ...

    def start(self) -> None:
        """Answer messages."""
        ...

    def announce_end(self) -> None:
        """Tell those who ask for it that this instance is about to end."""
        ...

    def stop(self, grace: float) -> None:
        """Take no message any more; give running lookups `grace` seconds."""
        ...


class NoTransport:
    """The transport where its address is empty."""

    port = 0

    def start(self) -> None:
        """Do nothing."""

    def announce_end(self) -> None:
        """Do nothing."""

    def stop(self, grace: float) -> None:
        """Do nothing."""


class SipTransport:
    """SIP redirect over UDP and TCP.

    Args:
        is_ready: whether numbers can be looked up.
        counts: of responses by status code, and of messages that got none.
        reuse_port: other workers listen on the same port.

    Raises:
        AddressInUseError: `sip_listen` can't be listened on.
        SettingsError: a network or the Contact's template can't be used.
    """

    def __init__(
        self,
        settings: Settings,
        lookup: LookupEngine,
        is_ready: Callable[[], bool],
        counts: Counters,
        *,
        reuse_port: bool,
    ) -> None:
        sip, limits = settings.sip, settings.lookup
        redirects, self._sources = _redirects(settings), _sources(sip.allowed_networks, sip.max_request_rate)
        try:
            self._datagrams, self._stream = open_sockets(sip.listen, reuse_port=reuse_port)
        except OSError as problem:
            raise AddressInUseError(address_in_use_message(sip.listen, problem, "sip_listen")) from None
        self.port = int(self._datagrams.getsockname()[1])
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._draining = False
        source = EventLoopCallSource(self._loop, limits.max_queued_calls)
        self._batcher = Batcher(
            source,
            lookup,
            name="sip-batcher",
            batch_size=limits.batch_size,
            max_waiting=limits.max_queued_calls,
            default_timeout=limits.timeout,
        )
        self._counts = counts
        self._responder = SipResponder(
            source, redirects, lambda: is_ready() and not self._draining, timeout=sip.timeout, counts=counts
        )
        self._ended: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="sip", daemon=True)

    def start(self) -> None:
        """Answer messages."""
        self._batcher.start()
        self._thread.start()

    def announce_end(self) -> None:
        """Answer OPTIONS with 503, so that dispatchers leave."""
        self._draining = True

    def stop(self, grace: float) -> None:
        """Take no message any more; give running lookups `grace` seconds."""
        self.announce_end()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join(grace + 1)
        self._batcher.stop()

    def _end(self) -> None:
        if self._ended is not None:
            self._ended.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:
            log.exception("sip server failed")

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        responder, sources, counts = self._responder, self._sources, self._counts
        datagrams, _ = await self._loop.create_datagram_endpoint(
            lambda: SipDatagrams(responder, sources, counts), sock=self._datagrams
        )
        stream = await self._loop.create_server(lambda: SipConnection(responder, sources, counts), sock=self._stream)
        await self._ended.wait()
        stream.close()
        await asyncio.sleep(_LAST_MESSAGES)
        datagrams.close()


def _redirects(settings: Settings) -> Redirects:
    sip = settings.sip
    try:
        return Redirects(sip.contact, sip.domain, sip.headers)
    except ValueError as problem:
        raise SettingsError(f"setting 'sip_contact': {problem}") from None


def _sources(allowed: list[str], rate: int) -> SourceFilter:
    try:
        return SourceFilter(networks(allowed), rate)
    except ValueError as problem:
        raise SettingsError(f"setting 'sip_allowed_networks': {problem}") from None


def open_sip(
    settings: Settings, lookup: LookupEngine, is_ready: Callable[[], bool], counts: Counters, *, reuse_port: bool
) -> SwitchTransport:
    """Open the transport that the settings ask for; see `SipTransport`."""
    if not settings.sip.listen:
        return NoTransport()
    return SipTransport(settings, lookup, is_ready, counts, reuse_port=reuse_port)
