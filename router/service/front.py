"""A front takes calls from a transport and sends their answers back. Three verbs: take, respond, fail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc


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


Taken = tuple[Any, bytes, float | None]
"""A waiting call: the front's own ticket, to be given back with the answer; the bytes of a LookupRequest; its
deadline on the monotonic clock, None when the caller set none."""


class Front(Protocol):
    """A transport, as the batch loop sees it; each ticket is answered exactly once."""

    def take(self, most: int, wait: float) -> list[Taken]:
        """Wait up to `wait` seconds for a call; return all that wait, up to `most`."""

    @property
    def respond(self) -> Callable[[Any, bytes], object]:
        """Send a serialised LookupResponse; any thread."""

    def fail(self, ticket: Any, failure: Failure) -> None:
        """Send a status; any thread."""
