"""The native call source: HTTP/2 and gRPC run outside the GIL, and calls arrive in batches.

Needs the extra `did-router[native]`. It has no TLS; it passes all other methods to a grpcio server behind a Unix
socket.
"""

import importlib.util
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from router.lookup.queued_call import CALL, CLIENT, CallHandle, QueuedCall
from router.runtime.cpu_affinity import pinned_to
from router.server.auth.authorizer import AUTHORIZATION, Authorizer
from router.server.auth.tokens import LOOKUP, Header
from router.server.calls.call_source import (
    KEEPALIVE_TIME_MS,
    KEEPALIVE_TIMEOUT_MS,
    AddressInUseError,
    FastPath,
    address_in_use_message,
)
from router.server.failure import Failure
from router.server.observation.calls import CallStatistics, native_statistics
from router.server.observation.protocols import GRPC
from router.server.observation.trace_context import TRACEPARENT

METHOD = "/router.v1.InboundRouter/Lookup"
_IO_THREADS = 1
"""More threads spread the work over cores and cost more CPU in all; a worker is meant for one core."""
_CLOSING_POLL_MS = 1
_CLOSE_MARGIN = 0.5
"""Seconds beyond the grace period before the socket is closed from another thread."""


def is_installed() -> bool:
    """Return whether the extra is installed."""
    return importlib.util.find_spec("pygrpc_native") is not None


class NativeCallSource:
    """Takes calls of the Lookup method from a server that runs in Rust.

    Args:
        address: host:port, or unix:PATH.
        fallback: path of the Unix socket of a grpcio server for every other method.
        max_concurrent_streams: calls that one connection may have open.
        reuse_port: other workers listen on the same address.
        core: pins its threads; None for any core.
        authorizer: checks Lookup calls here; the fallback checks its own.
        is_traced: some calls get spans.

    The library brings the value of one header at no cost in Python. Tokens need it for every call; where there are none
    it tells which calls have a `traceparent`.
    """

    def __init__(
        self,
        address: str,
        fallback: str,
        *,
        max_concurrent_streams: int,
        reuse_port: bool,
        core: int | None = None,
        authorizer: Authorizer | None = None,
        is_traced: bool = False,
    ) -> None:
        from pygrpc_native import NativeGrpcFront  # noqa: PLC0415 - an extra

        self.watches_traceparent = is_traced and authorizer is None
        unchecked = TRACEPARENT if self.watches_traceparent else None

        try:
            with pinned_to(core):  # the constructor starts the threads
                self._server: Any = NativeGrpcFront(
                    address,
                    [(METHOD, False)],
                    io_threads=_IO_THREADS,
                    client_key_metadata=unchecked if authorizer is None else AUTHORIZATION,
                    call_details=True,
                    max_concurrent_streams=max_concurrent_streams,
                    metrics=True,
                    reuse_port=reuse_port,
                    keepalive_time_ms=KEEPALIVE_TIME_MS,
                    keepalive_timeout_ms=KEEPALIVE_TIMEOUT_MS,
                )
        except OSError as problem:
            raise AddressInUseError(address_in_use_message(address, problem)) from None
        self._server.set_fallback(fallback)
        self._unanswered: Callable[[], int] = lambda: 0
        self._close_deadline: float | None = None
        self._has_closed = threading.Event()
        # Bound once, since these run for every call.
        self.respond: Callable[[CallHandle, bytes], object] = self._server.respond
        self._receive: Any = self._server.recv_batch_details
        self._authorizer = authorizer

    @property
    def port(self) -> int:
        """The bound port; 0 for a Unix socket."""
        return int(self._server.bound_port or 0)

    def statistics(self) -> CallStatistics:
        """Return the counts of Lookup calls, which the library keeps outside of the GIL."""
        return native_statistics(self._server.metrics())

    def start(self) -> None:
        """Accept connections."""
        self._server.start()

    def attach(self, fast_path: FastPath, unanswered: Callable[[], int]) -> None:
        """Keep the count of unanswered calls; the fast path is not needed, since the batcher runs it at once."""
        del fast_path
        self._unanswered = unanswered

    def close(self, grace: float) -> None:
        """Stop listening at a moment without a running call, or after `grace` seconds at the latest.

        The library closes at once: a call that is running or arriving at that moment is lost. The thread that takes
        calls does the closing, since no other thread can know that it has taken none. Behind the edge no more calls
        arrive by then; without it, clients on loopback have to retry.
        """
        self._close_deadline = time.monotonic() + grace
        if not self._has_closed.wait(grace + _CLOSE_MARGIN):
            self._server.close()  # no thread takes calls any more

    def take(self, max_calls: int, wait: float) -> Sequence[QueuedCall]:
        """Wait up to `wait` seconds for a call; return all queued calls, up to `max_calls`."""
        if self._close_deadline is not None:
            return self._take_while_closing(max_calls, self._close_deadline)
        return self._receive_authorized(max_calls, int(wait * 1000))

    def _take_while_closing(self, max_calls: int, close_by: float) -> Sequence[QueuedCall]:
        events = self._receive_authorized(max_calls, _CLOSING_POLL_MS)
        if not (events or self._unanswered()) or time.monotonic() > close_by:
            self._server.close()
            self._has_closed.set()
        return events

    def _receive_authorized(self, max_calls: int, wait_ms: int) -> Sequence[QueuedCall]:
        events: Sequence[QueuedCall] = self._receive(max_calls, wait_ms) or ()
        return events if self._authorizer is None else self._drop_unauthorized(self._authorizer, events)

    def _drop_unauthorized(self, authorizer: Authorizer, calls: Sequence[QueuedCall]) -> Sequence[QueuedCall]:
        """Refuse and drop unauthorized calls; the others are counted by their tokens, a batch at a time."""
        verified = authorizer.verified_headers(LOOKUP)
        try:
            names = [verified[call[CLIENT]] for call in calls]
        except KeyError:
            return self._drop_each_unauthorized(authorizer, verified, calls)
        authorizer.count_calls(GRPC, names)
        return calls

    def _drop_each_unauthorized(
        self, authorizer: Authorizer, verified: Mapping[Header, str], calls: Sequence[QueuedCall]
    ) -> Sequence[QueuedCall]:
        kept, names = [], []
        for call in calls:
            name = verified.get(call[CLIENT])
            if name is not None:
                names.append(name)
            elif not self._is_authorized(authorizer, call):
                continue
            kept.append(call)
        authorizer.count_calls(GRPC, names)
        return kept

    def _is_authorized(self, authorizer: Authorizer, call: QueuedCall) -> bool:
        kind, handle, _, _, header, _ = call
        if kind != CALL:
            return True
        # Without the header the library puts the caller's address here, as text; a header comes as bytes.
        refusal = authorizer.refuse(LOOKUP, header if isinstance(header, bytes) else None, GRPC)
        if refusal is not None:
            self.fail(handle, refusal)
        return refusal is None

    def fail(self, handle: CallHandle, failure: Failure) -> None:
        """Send a status."""
        self._server.fail(handle, failure.code.value[0], failure.message, failure.trailing or None)
