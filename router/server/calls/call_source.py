"""A front takes calls from a transport and sends their answers back. Three verbs: take, respond, fail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc

LONGEST_MESSAGE = 1 << 20
"""Bytes of a request; a longer one is refused with RESOURCE_EXHAUSTED."""

PING_AFTER, PING_TIME_LIMIT = 60_000, 20_000
"""Milliseconds in which nothing came before a client is asked whether it is there, and for its answer.

Who lost power, or has a firewall before him that forgot the connection, never hangs up; left alone, both servers ask
after two hours. A minute is less than most firewalls take to forget, so the ping keeps a quiet connection alive;
it costs 34 bytes. Twenty seconds outlast a client that stands still for a moment, or a network that looks for another
way. gRPC libraries answer by themselves, also while no call is open.
"""


class AddressTaken(OSError):
    """The address can't be listened on."""


def taken(address: str, problem: Exception) -> str:
    """What to say then."""
    return f"can't listen on {address}: is another did-router running there? Choose another --listen ({problem})"


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call fails: a gRPC status, words, and trailing metadata.

    Attributes:
        trailing: name and value pairs; `grpc-status-details-bin` carries google.rpc.Status.
    """

    code: grpc.StatusCode
    message: str
    trailing: Sequence[tuple[str, bytes]] = field(default=())


CALL = 0

Taken = tuple[int, Any, int, bytes, Any, tuple[Any, Any, float | None]]
"""What a front took, in the shape in which the native one gives it, since taking it apart costs something for every
call: CALL (anything else is to be passed over); the front's own ticket, to be given back with the answer; a number
that says nothing here; the bytes of a LookupRequest; the caller's address; and details: metadata, address, and the
seconds left before the deadline, None where the caller set none."""


Nearby = Callable[[Sequence[Taken]], Sequence[Taken]]
"""Answers what memory holds, and returns the calls that it does not."""


class Front(Protocol):
    """A transport, as the batch loop sees it; each ticket is answered exactly once."""

    def take(self, most: int, wait: float) -> Sequence[Taken]:
        """Wait up to `wait` seconds for a call; return all that wait, up to `most`."""

    def attach(self, nearby: Nearby, unanswered: Callable[[], int]) -> None:
        """Be told by whoever takes the calls how to answer some before that, and how many taken ones are unanswered."""

    @property
    def respond(self) -> Callable[[Any, bytes], object]:
        """Send a serialised LookupResponse; any thread."""

    def fail(self, ticket: Any, failure: Failure) -> None:
        """Send a status; any thread."""
