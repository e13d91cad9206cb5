"""The result of a lookup, in any of the ways to ask, and its JSON."""

from dataclasses import dataclass
from typing import Any

from router import client
from router.cli.json_output import text_or_null
from router.cli.options import Exit
from router.runtime.json_messages import json_of, nulls_of
from router.v1 import inbound_pb2 as pb


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The result of one lookup.

    Attributes:
        status: gRPC's name, "OK" for a route.
        reachable: a service answered.
    """

    input: str
    status: str
    reachable: bool
    route: pb.LookupResponse | None = None
    reason: str = ""
    message: str = ""
    metadata: dict[str, str] | None = None

    @property
    def is_unauthorized(self) -> bool:
        """Return whether the service requires another token, or one at all."""
        return self.status in {"UNAUTHENTICATED", "PERMISSION_DENIED"}

    @property
    def is_answered(self) -> bool:
        """Return whether the service could decide; False: a database that it needed was unavailable."""
        return self.reachable and self.status not in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}

    @property
    def exit_code(self) -> Exit:
        """The command's exit code for this result."""
        if self.route is not None:
            return Exit.OK
        return Exit.REFUSED if self.is_answered else Exit.UNREACHABLE

    def as_json(self) -> dict[str, Any]:
        """Return the contract's fields; null for those without a value."""
        details = self.metadata or {}
        fields: dict[str, Any] = {
            "input": self.input,
            "number": text_or_null(details.get("number")),
            "account_id": text_or_null(details.get("account_id")),
            "status": self.status,
            "reason": text_or_null(self.reason),
            "state": text_or_null(details.get("state")),
            "source": None,
            "stale": None,
            "message": text_or_null(self.message),
        }
        return {**nulls_of(pb.LookupResponse), **fields} if self.route is None else {**fields, **json_of(self.route)}


def of_result(given: client.LookupResult) -> LookupResult:
    """Return what the client received."""
    return LookupResult(
        given.input,
        given.status,
        reachable=given.is_reachable,
        route=given.route,
        reason=given.reason,
        message=given.message,
        metadata=dict(given.details),
    )
