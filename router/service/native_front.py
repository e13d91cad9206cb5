"""The native front: HTTP/2 and gRPC run outside the GIL, and calls arrive in batches.

The extra `did-router[native]`. It has no TLS; methods that are not its own go to a grpcio server behind a Unix
socket.
"""

import importlib.util
import time
from collections.abc import Callable
from typing import Any

from router.service.front import AddressTaken, Failure, Taken, taken
from router.service.guard import AUTHORIZATION, Guard
from router.service.tokens import LOOKUP

METHOD = "/router.v1.InboundRouter/Lookup"
_IO_THREADS = 2
_LOOK = 0.0005
_HEADER = 4
"""Where an event holds the value of `authorization`, when the front was told to look for it."""


def is_installed() -> bool:
    """Whether the extra is there."""
    return importlib.util.find_spec("pygrpc_native") is not None


class NativeFront:
    """Calls of the Lookup method, from a server that runs in Rust.

    Args:
        address: host:port.
        fallback: path of the Unix socket of a grpcio server for every other method.
        reuse_port: other workers listen there too.
        guard: judges Lookup calls here; the fallback judges its own.
    """

    def __init__(self, address: str, fallback: str, *, reuse_port: bool, guard: Guard | None = None) -> None:
        from pygrpc_native import EVENT_CALL, NativeGrpcFront  # noqa: PLC0415 - an extra

        self._is_call = EVENT_CALL
        try:
            self._front: Any = NativeGrpcFront(
                address,
                [(METHOD, False)],
                io_threads=_IO_THREADS,
                client_key_metadata=None if guard is None else AUTHORIZATION,
                call_details=True,
                metrics=True,
                reuse_port=reuse_port,
            )
        except OSError as problem:
            raise AddressTaken(taken(address, problem)) from None
        self._front.set_fallback(fallback)
        # Bound once: these run for every call.
        self.respond: Callable[[Any, bytes], object] = self._front.respond
        self._receive: Any = self._front.recv_batch_details
        self._guard = guard

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._front.bound_port)

    def start(self) -> None:
        """Accept connections."""
        self._front.start()

    @property
    def running(self) -> int:
        """Calls that are not answered yet."""
        told = self._front.metrics()["methods"][METHOD]
        return int(told["started"] - sum(ended["count"] for ended in told["status"].values()))

    def close(self, grace: float) -> None:
        """Stop listening in a moment in which no call is running, or after `grace` seconds at the latest.

        The library tells its clients and closes at once: a call that runs then is lost.
        """
        end = time.monotonic() + grace
        while self.running and time.monotonic() < end:
            time.sleep(_LOOK)
        self._front.close()

    def take(self, most: int, wait: float) -> list[Taken]:
        """Wait for a call; return all that wait."""
        events = self._receive(most, int(wait * 1000))
        if not events:
            return []
        if self._guard is not None:
            events = self._admitted(self._guard, events)
        now = time.monotonic()
        call = self._is_call
        return [
            (ticket, request, None if details[2] is None else now + details[2])
            for kind, ticket, _, request, _, details in events
            if kind == call
        ]

    def _admitted(self, guard: Guard, events: list[Any]) -> list[Any]:
        """Leave out, and refuse, the calls of who may not ask; for all others this is a look into a set."""
        known = guard.admitted(LOOKUP)
        return [event for event in events if event[_HEADER] in known or self._may_ask(guard, event)]

    def _may_ask(self, guard: Guard, event: Any) -> bool:
        if event[0] != self._is_call:
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
