"""A call source takes unary calls from a transport and sends their responses: `take`, `respond`, `fail`."""

from collections.abc import Callable, Sequence
from typing import Protocol

from router.lookup.queued_call import CallHandle, QueuedCall
from router.server.failure import Failure

KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS = 60_000, 20_000
"""Milliseconds of silence before a client is pinged, and before an unanswered ping ends the connection.

A client that lost power, or whose firewall forgot the connection, never closes it; by default both servers ping after
two hours. One minute is less than most firewalls take to forget a connection, so the ping also keeps a quiet connection
alive; it costs 34 bytes. Twenty seconds outlast a client that pauses for a moment, and a network that reroutes. gRPC
libraries reply by themselves, also while no call is open.
"""


class AddressInUseError(OSError):
    """The address can't be listened on."""


def address_in_use_message(address: str, problem: Exception, setting: str = "listen") -> str:
    """Return the message of an `AddressInUseError`."""
    choose = "--listen" if setting == "listen" else f"--set {setting}="
    return f"can't listen on {address}: is another did-router running there? Choose another {choose} ({problem})"


FastPath = Callable[[Sequence[QueuedCall]], Sequence[QueuedCall]]
"""Responds to the calls whose result is in memory, and returns the others."""


class CallSource(Protocol):
    """The batcher's view of a transport; each handle is responded to exactly once.

    Attributes:
        watches_traceparent: a call's `client` is its `traceparent`, as bytes, where it has one.
    """

    watches_traceparent: bool

    def take(self, max_calls: int, wait: float) -> Sequence[QueuedCall]:
        """Wait up to `wait` seconds for a call; return all queued calls, up to `max_calls`."""

    def attach(self, fast_path: FastPath, unanswered: Callable[[], int]) -> None:
        """Set the fast path, and the function that counts the taken calls without a response."""

    @property
    def respond(self) -> Callable[[CallHandle, bytes], object]:
        """Send a serialised LookupResponse; any thread."""

    def fail(self, handle: CallHandle, failure: Failure) -> None:
        """Send a status; any thread."""
