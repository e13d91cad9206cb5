"""The native front: HTTP/2 and gRPC run outside the GIL, and calls arrive in batches.

The extra `did-router[native]`. It has no TLS; methods that are not its own go to a grpcio server behind a Unix
socket.
"""

import importlib.util
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from router.runtime.cpu_affinity import pinned_to
from router.server.auth.authorizer import AUTHORIZATION, Guard
from router.server.auth.tokens import LOOKUP
from router.server.calls.call_source import (
    CALL,
    PING_AFTER,
    PING_TIME_LIMIT,
    AddressTaken,
    Failure,
    Nearby,
    Taken,
    taken,
)

METHOD = "/router.v1.InboundRouter/Lookup"
_IO_THREADS = 1
"""More share the work out over cores, and cost more for it: a worker is for one core."""
_LOOK_MS = 1
_LONGER = 0.5
_HEADER = 4
"""Where an event holds the value of `authorization`, when the front was told to look for it."""


def is_installed() -> bool:
    """Whether the extra is there."""
    return importlib.util.find_spec("pygrpc_native") is not None


class NativeFront:
    """Calls of the Lookup method, from a server that runs in Rust.

    Args:
        address: host:port, or unix:PATH.
        fallback: path of the Unix socket of a grpcio server for every other method.
        streams: calls that one connection may have open.
        reuse_port: other workers listen there too.
        core: where its thread stays; None for anywhere.
        guard: judges Lookup calls here; the fallback judges its own.
    """

    def __init__(
        self,
        address: str,
        fallback: str,
        *,
        streams: int,
        reuse_port: bool,
        core: int | None = None,
        guard: Guard | None = None,
    ) -> None:
        from pygrpc_native import NativeGrpcFront  # noqa: PLC0415 - an extra

        try:
            with pinned_to(core):  # it starts its threads here
                self._front: Any = NativeGrpcFront(
                    address,
                    [(METHOD, False)],
                    io_threads=_IO_THREADS,
                    client_key_metadata=None if guard is None else AUTHORIZATION,
                    call_details=True,
                    max_concurrent_streams=streams,
                    reuse_port=reuse_port,
                    keepalive_time_ms=PING_AFTER,
                    keepalive_timeout_ms=PING_TIME_LIMIT,
                )
        except OSError as problem:
            raise AddressTaken(taken(address, problem)) from None
        self._front.set_fallback(fallback)
        self._unanswered: Callable[[], int] = lambda: 0
        self._close_by: float | None = None
        self._closed = threading.Event()
        # Bound once: these run for every call.
        self.respond: Callable[[Any, bytes], object] = self._front.respond
        self._receive: Any = self._front.recv_batch_details
        self._guard = guard

    @property
    def port(self) -> int:
        """The port that was bound; 0 for a Unix socket."""
        return int(self._front.bound_port or 0)

    def start(self) -> None:
        """Accept connections."""
        self._front.start()

    def attach(self, nearby: Nearby, unanswered: Callable[[], int]) -> None:
        """Calls are taken as fast as they can be answered, so nothing is gained by looking nearby before."""
        del nearby
        self._unanswered = unanswered

    def close(self, grace: float) -> None:
        """Stop listening in a moment in which no call is running, or after `grace` seconds at the latest.

        The library closes at once: a call that runs then is lost, and one that arrives in that moment. The thread that
        takes calls closes, since no other can know that it has taken none. Behind the edge no call arrives any more by
        then; without it, clients on loopback have to retry.
        """
        self._close_by = time.monotonic() + grace
        if not self._closed.wait(grace + _LONGER):
            self._front.close()  # nobody takes calls any more

    def take(self, most: int, wait: float) -> Sequence[Taken]:
        """Wait for a call; return all that wait."""
        if self._close_by is not None:
            return self._take_last(most, self._close_by)
        return self._receive_admitted(most, int(wait * 1000))

    def _take_last(self, most: int, close_by: float) -> Sequence[Taken]:
        events = self._receive_admitted(most, _LOOK_MS)
        if not (events or self._unanswered()) or time.monotonic() > close_by:
            self._front.close()
            self._closed.set()
        return events

    def _receive_admitted(self, most: int, wait_ms: int) -> Sequence[Taken]:
        events: Sequence[Taken] = self._receive(most, wait_ms) or ()
        return events if self._guard is None else self._admitted(self._guard, events)

    def _admitted(self, guard: Guard, events: Sequence[Taken]) -> Sequence[Taken]:
        """Leave out, and refuse, the calls of who may not ask; for all others this is a look into a set."""
        known = guard.admitted(LOOKUP)
        return [event for event in events if event[_HEADER] in known or self._may_ask(guard, event)]

    def _may_ask(self, guard: Guard, event: Taken) -> bool:
        if event[0] != CALL:
            return True
        shown = event[_HEADER]
        # Without the header the library gives the caller's address here, as text; a header comes as bytes.
        refusal = guard.refusal(LOOKUP, shown if isinstance(shown, bytes) else None)
        if refusal is not None:
            self.fail(event[1], refusal)
        return refusal is None

    def fail(self, ticket: Any, failure: Failure) -> None:
        """Send a status."""
        self._front.fail(ticket, failure.code.value[0], failure.message, failure.trailing or None)
