"""Keeps the lookups of one LookupStream that have no outcome yet. Does no I/O."""

from typing import Any

from router.client.requests import lookup_request
from router.client.results import LookupResult, Result, lookup_result, outcome_result
from router.v1 import inbound_pb2 as pb


class OpenLookups:
    """The lookups of a stream, from their request to their outcome.

    One thread may add requests while another takes outcomes: each step is one of a dictionary's.
    """

    def __init__(self, dial_plan: str, *, authoritative: bool) -> None:
        self._dial_plan = dial_plan
        self._authoritative = authoritative
        self._numbers: dict[str, str] = {}
        self._sent = 0

    def request(self, number: str) -> pb.LookupStreamRequest:
        """Return the request for another number."""
        name = str(self._sent)
        self._sent += 1
        lookup = lookup_request(number, self._dial_plan, authoritative=self._authoritative)
        self._numbers[name] = number
        return pb.LookupStreamRequest(id=name, lookup=lookup)

    def result(self, response: pb.LookupStreamResponse) -> LookupResult:
        """Return the result of one lookup."""
        return outcome_result(self._numbers.pop(response.id), response.outcome)

    def failed(self, failure: Result[Any]) -> list[LookupResult]:
        """Return the failure of the stream as the result of each open lookup; as one without a number where none is."""
        numbers, self._numbers = self._numbers, {}
        return [lookup_result(number, failure) for number in numbers.values()] or [lookup_result("", failure)]
