"""SIP redirect and ENUM as transports: sockets, an event loop in a thread, and a batcher of its own each."""

import asyncio
import socket
from collections.abc import Callable

from router.lookup.engine import LookupEngine
from router.reference_data.realms import Realms
from router.runtime.event_loop_thread import EventLoopThread
from router.server.calls.batcher import Batcher
from router.server.calls.call_source import AddressInUseError, address_in_use_message
from router.server.calls.contact import ContactTemplate
from router.server.calls.datagrams import DatagramSocket
from router.server.calls.enum.responder import EnumAnswers, EnumResponder
from router.server.calls.enum.server import EnumConnection, EnumDatagrams
from router.server.calls.enum.zones import Zones
from router.server.calls.event_loop import EventLoopCallSource
from router.server.calls.sip.redirect import Redirects
from router.server.calls.sip.responder import SipResponder
from router.server.calls.sip.server import SipConnection, SipDatagrams
from router.server.calls.source_address import SourceFilter, open_sockets
from router.server.calls.streams import StreamLimits, StreamTurns
from router.server.observation.observation import Drop, Observation
from router.server.observation.protocols import ENUM, SIP
from router.server.switch_transport import NoTransport, SwitchTransport
from router.settings import Settings, SettingsError
from router.settings.groups.switches import ENUMSettings, SIPSettings

_LAST_MESSAGES = 0.05
"""Seconds between the end of reading and the end of the loop, for responses on their way."""

Protocols = tuple[DatagramSocket, Callable[[], asyncio.Protocol]]
"""The responder to datagrams, and the factory of a TCP connection's protocol."""


class DatagramTransport:
    """UDP and TCP on one port, whose messages are lookups.

    Args:
        name: of the threads, and of the setting that has the address (`sip`: `sip_listen`).
        address: host:port.
        make: makes the protocols from the UDP socket, the call source, and whether this instance is about to end.
        reuse_port: other workers listen on the same port.

    Raises:
        AddressInUseError: the address can't be listened on.
        SettingsError: `make` found a setting that can't be used.
    """

    def __init__(
        self,
        name: str,
        address: str,
        settings: Settings,
        lookup: LookupEngine,
        make: Callable[[socket.socket, EventLoopCallSource, Callable[[], bool]], Protocols],
        *,
        observation: Observation,
        reuse_port: bool,
    ) -> None:
        limits = settings.lookup
        self._thread = EventLoopThread(name, self._serve)
        self._loop = self._thread.loop
        self._draining = False
        source = EventLoopCallSource(self._loop, limits.max_queued_calls, observation.lookups_over(name))
        try:
            bound, self._stream = open_sockets(address, reuse_port=reuse_port)
        except OSError as problem:
            raise AddressInUseError(address_in_use_message(address, problem, f"{name}_listen")) from None
        self.port = int(bound.getsockname()[1])
        self._datagrams, self._stream_protocol = make(bound, source, lambda: self._draining)
        self._batcher = Batcher(
            source,
            lookup,
            name=f"{name}-batcher",
            batch_size=limits.batch_size,
            max_waiting=limits.max_queued_calls,
            default_timeout=limits.timeout,
            observation=observation,
            protocol=name,
        )

    def start(self) -> None:
        """Answer messages."""
        self._batcher.start()
        self._thread.start()

    def announce_end(self) -> None:
        """Answer requests for this instance's state with "unavailable", so that dispatchers leave."""
        self._draining = True

    def stop(self, grace: float) -> None:
        """Take no message any more; give running lookups `grace` seconds."""
        self.announce_end()
        self._thread.stop(grace + 1)
        self._batcher.stop()

    async def _serve(self) -> None:
        self._datagrams.start(self._loop)
        stream = await self._loop.create_server(self._stream_protocol, sock=self._stream)
        await self._thread.stopped.wait()
        stream.close()
        self._datagrams.stop(self._loop)
        await asyncio.sleep(_LAST_MESSAGES)
        self._datagrams.close()


def open_sip(
    settings: Settings,
    lookup: LookupEngine,
    realms: Realms,
    is_ready: Callable[[], bool],
    observation: Observation,
    *,
    reuse_port: bool,
) -> SwitchTransport:
    """Open SIP redirect where the settings ask for it.

    Args:
        realms: of accounts, for the Contact.
        is_ready: whether numbers can be looked up.
        observation: what counts requests, lookups, and messages that get no response.

    Raises:
        AddressInUseError, SettingsError: as `DatagramTransport` does.
    """
    sip = settings.sip
    if not sip.listen:
        return NoTransport()
    redirects = Redirects(_contact("sip_contact", sip.contact, sip.domain, realms), sip.headers)
    drop = observation.dropped_over(SIP)
    turns = _turns(sip, drop)

    def make(bound: socket.socket, source: EventLoopCallSource, is_draining: Callable[[], bool]) -> Protocols:
        responder = SipResponder(
            source,
            redirects,
            lambda: is_ready() and not is_draining(),
            timeout=sip.timeout,
            durations=observation.sip,
            drop=drop,
        )
        datagrams = SipDatagrams(bound, responder, SourceFilter(sip.networks, sip.max_request_rate), drop)
        return datagrams.socket, lambda: SipConnection(responder, turns)

    return DatagramTransport(SIP, sip.listen, settings, lookup, make, observation=observation, reuse_port=reuse_port)


def open_enum(
    settings: Settings, lookup: LookupEngine, realms: Realms, observation: Observation, *, reuse_port: bool
) -> SwitchTransport:
    """Open ENUM where the settings ask for it.

    Args:
        realms: of accounts, for the URI.
        observation: what counts queries, lookups, and messages that get no response.

    Raises:
        AddressInUseError, SettingsError: as `DatagramTransport` does.
    """
    enum = settings.enum
    if not enum.listen:
        return NoTransport()
    contact = _contact("enum_uri", enum.uri, enum.domain, realms)
    answers = EnumAnswers(contact, refusal_uris=enum.refusals == "uri", ttl=enum.ttl)
    try:
        zones = Zones(enum.zones)
    except ValueError as problem:
        raise SettingsError(f"setting 'enum_zones': {problem}") from None

    drop = observation.dropped_over(ENUM)
    turns = _turns(enum, drop)

    def make(bound: socket.socket, source: EventLoopCallSource, _: Callable[[], bool]) -> Protocols:
        responder = EnumResponder(source, zones, answers, timeout=enum.timeout, durations=observation.enum, drop=drop)
        datagrams = EnumDatagrams(bound, responder, SourceFilter(enum.networks, enum.max_request_rate))
        return datagrams.socket, lambda: EnumConnection(responder, turns)

    return DatagramTransport(ENUM, enum.listen, settings, lookup, make, observation=observation, reuse_port=reuse_port)


def _turns(switch: SIPSettings | ENUMSettings, drop: Drop) -> StreamTurns:
    limits = StreamLimits(switch.max_connections, switch.max_connections_per_address, switch.idle_timeout)
    return StreamTurns(limits, SourceFilter(switch.networks, switch.max_request_rate), drop)


def _contact(setting: str, template: str, domain: str, realms: Realms) -> ContactTemplate:
    try:
        return ContactTemplate(template, domain, realms)
    except ValueError as problem:
        raise SettingsError(f"setting '{setting}': {problem}") from None
